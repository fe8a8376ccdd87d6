"""Other makers' formats: each adapter turns a topic and bytes into foreign readings; `registry` knows them all."""
