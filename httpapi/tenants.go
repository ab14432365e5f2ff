package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// maxTenants is the greatest number of tenants in an answer. Each costs a query of the job store.
const maxTenants = 200

// noTenant is the tenant about which the Authorizer is asked if there are no tenants, so that a caller without a valid
// token gets 401 in that case also. The scopes that it grants for this tenant do not matter.
const noTenant = "none"

// tenantView is the schema ReindexTenant.
type tenantView struct {
	Tenant string         `json:"tenant"`
	Scopes []string       `json:"scopes"`
	Job    *jobquery.View `json:"job,omitempty"`
}

// tenantLister is an [Engine] that knows which tenants have jobs, as [*reindex.Engine] does.
type tenantLister interface {
	Tenants(ctx context.Context) ([]string, error)
}

// tenantQuery is the query of the list of tenants.
type tenantQuery struct {
	after, prefix string
	size          int
}

func parseTenantQuery(rawQuery string) (q tenantQuery, err error) {
	values, err := parseQuery(rawQuery, "after", "prefix", "pageSize")
	if err != nil {
		return q, err
	}
	q.after, q.prefix = values.Get("after"), values.Get("prefix")
	for _, name := range []string{"after", "prefix"} {
		if utf8.RuneCountInString(values.Get(name)) > maxTenantBytes {
			return q, invalid("Invalid "+name, "Parameter '"+name+"' is a tenant, or its beginning: at most 16 characters")
		}
	}
	q.size, err = tenantPageSize(values)
	return q, err
}

func tenantPageSize(values url.Values) (int, error) {
	return intParameter(values, "pageSize", defaultPageSize, maxTenants)
}

// selects reports whether the query asks for the tenant.
func (q tenantQuery) selects(tenant string) bool {
	return tenant > q.after && strings.HasPrefix(tenant, q.prefix)
}

// listTenants is GET /indexing/reindex-tenants. Tenants that the caller may not see are left out, as if they did
// not exist.
func (h *handler) listTenants(c *call) (response, error) {
	query, err := parseTenantQuery(c.r.URL.RawQuery)
	if err != nil {
		return response{}, err
	}
	tenants, err := h.tenants(c)
	if err != nil {
		return response{}, err
	}
	if len(tenants) == 0 {
		if _, err := h.scopesOf(c, noTenant); err != nil {
			return response{}, err
		}
	}
	views := []tenantView{}
	for i, tenant := range tenants {
		// The first tenant is always checked, so that a caller without a valid token gets 401.
		if i > 0 && !query.selects(tenant) || len(views) == query.size {
			continue
		}
		scopes, err := h.scopesOf(c, tenant)
		if err != nil {
			return response{}, err
		}
		if len(scopes) > 0 && query.selects(tenant) {
			views = append(views, tenantView{Tenant: tenant, Scopes: scopes})
		}
	}
	for i := range views {
		if err := h.addLatestJob(c, &views[i]); err != nil {
			return response{}, err
		}
	}
	return jsonResponse(http.StatusOK, views), nil
}

// tenants returns all tenants that requests can name, in order.
func (h *handler) tenants(c *call) (tenants []string, err error) {
	err = h.askEngine(c.r.Context(), c, func(ctx context.Context) error {
		if h.cfg.Tenants != nil {
			tenants, err = h.cfg.Tenants(ctx)
		} else {
			tenants, err = h.engines.tenants(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	tenants = slices.DeleteFunc(slices.Clone(tenants), func(tenant string) bool { return !isTenant(tenant) })
	slices.Sort(tenants)
	return slices.Compact(tenants), nil
}

// scopesOf returns the scopes that the caller has for a tenant, and none if the caller may not view it. An error means
// that the caller has no scopes for any tenant.
func (h *handler) scopesOf(c *call, tenant string) ([]string, error) {
	of := *c
	of.tenant = tenant
	scopes := []string{}
	for _, scope := range []string{ScopeView, ScopeManage} {
		err := h.askAuthorizer(&of, scope)
		var missing *ScopeError
		switch {
		case errors.As(err, &missing):
			return scopes, nil
		case err != nil:
			return nil, h.judge(c, scope, err)
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

// addLatestJob adds the tenant's newest job, if there is one.
func (h *handler) addLatestJob(c *call, v *tenantView) error {
	return h.askEngine(c.r.Context(), c, func(ctx context.Context) error {
		jobs, _, err := h.engines.jobs(ctx, v.Tenant, reindex.JobQuery{Limit: 1})
		if err == nil && len(jobs) > 0 {
			shown := jobquery.Show(h.engines.shown(jobs[0]))
			v.Job = &shown
		}
		return err
	})
}

// tenants returns the tenants of all engines that know theirs.
func (es engines) tenants(ctx context.Context) ([]string, error) {
	var all []string
	for _, e := range es.all {
		lister, ok := e.(tenantLister)
		if !ok {
			continue
		}
		tenants, err := lister.Tenants(ctx)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		all = append(all, tenants...)
	}
	return all, nil
}
