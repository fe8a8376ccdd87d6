"""Passkeys (WebAuthn): keys of a person's own devices, which sign in to the console without a name or a password.

Adding: password -> begin_registration -> the browser makes a key -> register
Signing in: begin_sign_in -> the browser signs the challenge -> sign_in -> session

`people.passkeys.service` imports py_webauthn, 8 MB of memory. Only a process in which somebody uses passkeys imports
it.
"""
