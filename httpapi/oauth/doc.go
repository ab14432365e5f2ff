// Package oauth has Authorizers for package httpapi, which decide by a request's bearer token (RFC 6750) whether its
// sender may use a tenant:
//
//	authorize, err := oauth.JWT(oauth.JWTConfig{
//		Issuer:   "https://auth.example",
//		Audience: []string{"https://indexing.example"},
//		Claims:   oauth.Claims{Tenant: "tenant"},
//	})
//	err = httpapi.Mount(mux, engine, httpapi.Config{Authorizer: authorize})
//
// There is an Authorizer for each kind of token:
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
// # Answers
//
// A request without a valid token gets [httpapi.ErrInvalidToken] or, if the token has expired but is valid otherwise,
// [httpapi.ErrExpiredToken]: 401. A token of another tenant, and one without the scope, get an [httpapi.ScopeError]:
// 403. These two answers are the same, so that callers cannot find out which tenants exist. The texts of the errors are
// for the host's log. They give the reason, such as the name of a missing claim, and contain nothing of the token.
//
// If the authorization server does not answer, or its answer is not valid, an Authorizer cannot decide. It then returns
// another error, and the answer is 403 with [httpapi.MessageNotAuthorized]. The contract has no 503, and 401 would make
// clients fetch new tokens from the server that is failing.
//
// A token that is bound to its sender, by DPoP or a client certificate (the claim cnf, RFC 7800), is refused. Accepting
// it as a plain bearer token would undo the binding.
//
// # Settings for well-known servers
//
// Access tokens differ from server to server. [Claims] finds tenants and scopes in those of the following:
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
//     claim that you configure the authorization server to add.
//   - Amazon Cognito: TokenTypes with the empty type, AudienceClaim client_id, Claims.ScopeNames for names such as
//     RESOURCE/manage; the tenant by Claims.Grant from client_id, or from a claim that a trigger adds.
//
// For several issuers, give [First] one [JWT] each: a token of another issuer costs no call.
//
// # How the server is called
//
// Calls of the authorization server have limits of time and size, follow no redirects, and go to https URLs only. An
// http URL is allowed on loopback addresses, and elsewhere if AllowHTTP is set. Concurrent calls for the same document
// or token are merged into one, which goes on if one of the waiting requests ends. The constructors make no calls, so a
// host can start while its authorization server is down. An Authorizer runs nothing between requests, and need not be
// closed.
//
// All Authorizers are safe for concurrent use.
package oauth
