"""Sign-in by OpenID Connect: this project is a client, an organisation's provider confirms the person.

settings -> client.authorization_request -> the provider's pages -> client.complete -> ProviderIdentity

`people.openid.client` imports Authlib and requests (20 MB of memory): only a process with a provider imports it.
"""
