"""Sign-in by OpenID Connect: this project is a client, an organisation's provider confirms the person.

settings -> client.authorization_request -> the provider's pages -> client.complete -> ProviderIdentity

`people.openid.client` imports Authlib, joserfc and requests, 26 MB of memory in an empty process. Only a process with
a provider imports it.
"""
