// Package oauth has Authorizers for package httpapi that read bearer tokens (RFC 6750):
//
//   - [JWT] checks access tokens that are signed (RFC 9068) with the keys that the authorization server publishes.
//   - [Introspection] asks the authorization server about opaque tokens (RFC 7662), and remembers its answers for a
//     while.
//   - [Static] compares with tokens that the host was configured with.
//   - [First] combines them.
//
// A token is taken from the one Authorization header of a request, never from its query or body. A token of more than
// 16 KiB is not read.
//
// # What is answered
//
// A request without a valid token gets [httpapi.ErrInvalidToken], or [httpapi.ErrExpiredToken] if expiry is all that is
// wrong: 401. A token of another tenant, and one without the scope, get an [httpapi.ScopeError]: 403, and the two
// answers are the same, so that nobody learns which tenants there are. The errors' texts give the reason for the host's
// log, such as the name of a claim that is missing, in words that hold nothing of the token.
//
// An authorization server that does not answer, or answers nonsense, leaves the question open: any other error, and so
// 403 with [httpapi.MessageNotAuthorized]. The contract has no 503, and 401 would make clients fetch new tokens from
// the server that is failing.
//
// A token that is bound to its sender, by DPoP or a client certificate (the claim cnf, RFC 7800), is refused: whoever
// accepts it as a mere bearer token takes away what the binding is for.
//
// # Settings for well-known servers
//
// What an access token looks like differs from server to server. The places of [Claims] reach what these put into
// theirs:
//
//   - Microsoft Entra ID: Issuer https://login.microsoftonline.com/DIRECTORY/v2.0, TokenTypes JWT, Claims.Scopes roles
//     (of applications) and scp (of users). The tenant is an extension such as extn.shop, or the directory, tid, which
//     Claims.Grant turns into a tenant.
//   - Auth0: Issuer with its slash at the end; TokenTypes JWT, unless the API uses the profile of RFC 9068;
//     Claims.Scopes permissions, or none for scope; the tenant is org_name or a claim of an Action, such as
//     https://shop.example/tenant.
//   - Keycloak: TokenTypes JWT; Claims.Scopes /realm_access/roles and /resource_access/CLIENT/roles, or none for scope;
//     the tenant is /organization/*, whichever of its two forms the realm uses. Clients get an audience by a mapper.
//   - Okta: Issuer https://DOMAIN/oauth2/SERVER, TokenTypes with the empty type, scopes as they are; the tenant is a
//     claim that the authorization server is set up to add.
//   - Amazon Cognito: TokenTypes with the empty type, AudienceClaim client_id, Claims.ScopeNames for names such as
//     RESOURCE/manage; the tenant by Claims.Grant from client_id, or from a claim that a trigger adds.
//
// If one of several issuers signs, give [First] one [JWT] for each: a token of another issuer costs no call.
//
// # How the server is called
//
// Calls of the authorization server end after a time, are limited in size, follow no redirects, and go to https URLs
// only; to http ones on loopback addresses, and elsewhere if AllowHTTP is set. Concurrent calls for the same thing are
// merged into one, which goes on when one of the waiting requests ends. The constructors call nobody: a host starts
// while its authorization server is down. There is nothing to close, since nothing runs in the background between
// requests.
//
// All Authorizers are safe for concurrent use.
package oauth
