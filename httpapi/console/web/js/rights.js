// The rights of the token for the tenant.

export const noScope = "Your token lacks the scope indexing.search_manage for this tenant.";

// mayManage reports whether the token has the scope to make changes. It is true until the scopes are known.
export function mayManage(context) {
  return context.scopes === null || context.scopes.includes("indexing.search_manage");
}

// learnScopes finds the token's scopes for the tenant. They stay unknown for a tenant that is not listed; the server then
// decides about each request.
export async function learnScopes(context, learned) {
  try {
    const [first] = await context.app.api.tenants({ prefix: context.tenant, pageSize: 1 });
    if (context.over || first?.tenant !== context.tenant) return;
    context.scopes = first.scopes;
    learned();
  } catch (error) {
    context.app.failed(error);
  }
}
