// The rights of the token for the tenant.

export const noScope = "Your token lacks the scope indexing.search_manage for this tenant.";

// mayManage reports whether the token may change something, as far as that is known.
export function mayManage(context) {
  return context.scopes === null || context.scopes.includes("indexing.search_manage");
}

// learnScopes finds out what the token may do. A tenant that is not listed may still be managed: the server decides.
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
