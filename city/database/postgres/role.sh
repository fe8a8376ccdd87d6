# The image of PostgreSQL runs this once, on an empty volume: the API gets a user of its own, which owns one database.
psql --username "${POSTGRES_USER:-postgres}" --set ON_ERROR_STOP=1 --set password="$KOTA_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE kota LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE kota OWNER kota;
REVOKE ALL ON DATABASE kota FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
SQL
