package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const tenantsPath = "/indexing/reindex-tenants"

// withTenants returns an engine whose store has an ended job of each tenant.
func withTenants(t *testing.T, tenants ...string) *reindex.Engine {
	t.Helper()
	store := reindex.NewJobs(1)
	for _, tenant := range tenants {
		job := reindex.Job{ID: "J" + tenant, Tenant: tenant, EntityType: reindex.EntityProduct, Created: time.Now()}
		if _, _, err := store.Create(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		job.Status = reindex.StatusSuccess
		if err := store.Finish(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	e, err := reindex.New(reindextest.Slice{}, reindextest.NewMemory(), &reindex.Config{Jobs: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	return e
}

// tenants requests the list and returns tenants such as "acme:vm:Jacme", with the first letters of the scopes and the
// id of the job.
func (s *service) tenants(query string, headers ...string) string {
	s.t.Helper()
	got := s.send(http.MethodGet, tenantsPath+query, "", headers...)
	var views []tenantView
	if got.status != http.StatusOK {
		s.t.Errorf("%q: got %d %s, want 200", query, got.status, got.body)
	} else if err := json.Unmarshal([]byte(got.body), &views); err != nil {
		s.t.Errorf("%q: got error %v, want a list of tenants", query, err)
	}
	var names []string
	for _, v := range views {
		scopes := strings.NewReplacer(ScopeView, "v", ScopeManage, "m", " ", "").Replace(strings.Join(v.Scopes, " "))
		name := v.Tenant + ":" + scopes
		if v.Job != nil {
			name += ":" + v.Job.ID
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// Callers see the tenants that they may view, with their scopes and the newest job.
func TestTenants(t *testing.T) {
	authorize := func(r *http.Request, tenant, scope string) error {
		switch token := r.Header.Get("Authorization"); {
		case token == "all" || token == "viewer" && scope == ScopeView || token == tenant:
			return nil
		case token == "":
			return ErrInvalidToken
		default:
			return &ScopeError{}
		}
	}
	s := serve(t, withTenants(t, "bcd", "abc", "acme", "abd"), Config{Authorizer: authorize})
	for _, tc := range []struct{ token, query, want string }{
		{"all", "", "abc:vm:Jabc abd:vm:Jabd acme:vm:Jacme bcd:vm:Jbcd"},
		{"viewer", "", "abc:v:Jabc abd:v:Jabd acme:v:Jacme bcd:v:Jbcd"},
		{"acme", "", "acme:vm:Jacme"},
		{"nobody", "", ""},
		{"all", "?pageSize=2", "abc:vm:Jabc abd:vm:Jabd"},
		{"all", "?pageSize=2&after=abd", "acme:vm:Jacme bcd:vm:Jbcd"},
		{"all", "?after=bcd", ""},
		{"all", "?prefix=ab", "abc:vm:Jabc abd:vm:Jabd"},
		{"all", "?prefix=acme&pageSize=1", "acme:vm:Jacme"},
		{"acme", "?pageSize=1", "acme:vm:Jacme"},
		{"viewer", "?prefix=x", ""},
	} {
		if got := s.tenants(tc.query, "Authorization: "+tc.token); got != tc.want {
			t.Errorf("%s%s: got %s, want %s", tc.token, tc.query, got, tc.want)
		}
	}
	for query, want := range map[string]string{
		"?after=x&after=y": "Ambiguous after", "?pageSize=201": "Invalid pageSize",
		"?prefix=a0123456789abcdef": "Invalid prefix",
		"?%zz":                      "Malformed query",
	} {
		got := s.send(http.MethodGet, tenantsPath+query, "", "Authorization: all")
		if got.status != http.StatusBadRequest || got.message.Message != want {
			t.Errorf("%s: got %d %s, want %d %s", query, got.status, got.body, http.StatusBadRequest, want)
		}
	}
	for _, query := range []string{"", "?after=zzz", "?prefix=x"} {
		if got := s.send(http.MethodGet, tenantsPath+query, ""); got.status != http.StatusUnauthorized {
			t.Errorf("without a token, %q: got %d %s, want %d", query, got.status, got.body, http.StatusUnauthorized)
		}
	}
}

// With Config.Tenants, the list has the tenants of the host, without the invalid ones.
func TestTenantsOfTheHost(t *testing.T) {
	failure := error(nil)
	s := serve(t, withTenants(t, "acme", "gone"), Config{Tenants: func(context.Context) ([]string, error) {
		return []string{"zoo", "acme", "Not a tenant", "acme", ""}, failure
	}})
	if got, want := s.tenants(""), "acme:vm:Jacme zoo:vm"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	failure = errors.New("no database")
	got := s.send(http.MethodGet, tenantsPath, "")
	if got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable {
		t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, MessageUnavailable)
	}
	if !strings.Contains(s.log.String(), "no database") {
		t.Errorf("the log is %s, want \"no database\" in it", s.log)
	}
}

// If an engine does not know its tenants, the list is empty.
func TestTenantsUnknown(t *testing.T) {
	if got := serve(t, &fakeEngine{}, Config{}).tenants(""); got != "" {
		t.Errorf("got %s, want no tenants", got)
	}
}

// A caller without a valid token is refused, whether or not there are tenants.
func TestNoTenants(t *testing.T) {
	authorize := func(r *http.Request, tenant, _ string) error {
		if !isTenant(tenant) {
			t.Errorf("the Authorizer was asked about %q, want a valid tenant", tenant)
		}
		switch r.Header.Get("Authorization") {
		case "all":
			return nil
		case "other":
			return &ScopeError{}
		case "expired":
			return ErrExpiredToken
		case "limited":
			return &LimitError{RetryAfter: time.Second}
		case "":
			return ErrInvalidToken
		default:
			return errors.New("the authorization server is down")
		}
	}
	lists := map[string]func(context.Context) ([]string, error){
		"no jobs":         nil,
		"none":            func(context.Context) ([]string, error) { return nil, nil },
		"no valid tenant": func(context.Context) ([]string, error) { return []string{"Not a tenant"}, nil },
	}
	for name, list := range lists {
		s := serve(t, withTenants(t), Config{Authorizer: authorize, Tenants: list})
		for token, want := range map[string]int{
			"": 401, "expired": 401, "limited": 403, "down": 403, "all": 200, "other": 200,
		} {
			var headers []string
			if token != "" {
				headers = []string{"Authorization: " + token}
			}
			got := s.send(http.MethodGet, tenantsPath, "", headers...)
			if got.status != want || want == http.StatusOK && got.body != "[]" {
				t.Errorf("%s, token %q: got %d %s, want %d", name, token, got.status, got.body, want)
			}
		}
	}
}

// A request looks up only the jobs of the tenants in the answer, and calls the Authorizer only for a page's tenants.
func TestManyTenants(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("shop%04d", i))
	}
	asked := 0
	looked := 0
	e := &fakeEngine{jobs: func(context.Context, string, reindex.JobQuery) ([]reindex.Job, int, error) {
		looked++
		return nil, 0, nil
	}}
	s := serve(t, e, Config{
		Authorizer: func(*http.Request, string, string) error { asked++; return nil },
		Tenants:    func(context.Context) ([]string, error) { return names, nil },
	})
	got := strings.Fields(s.tenants("?pageSize=10&after=shop0499"))
	if len(got) != 10 || got[0] != "shop0500:vm" || looked != 10 || asked != 22 {
		t.Errorf("got %q, %d queries of the store, %d calls of the Authorizer; want 10 tenants, 10, 22", got, looked, asked)
	}
}

// Except for the list of tenants, every operation with a scope has a tenant in its path, for which it is authorized.
func TestOperationsAreAuthorized(t *testing.T) {
	for _, rt := range routes {
		for _, op := range rt.operations {
			own := rt.pattern == tenantsPath
			if op.authorizes != own || op.scope != "" && !own && !slices.Contains(strings.Split(rt.pattern, "/"), "{tenant}") {
				t.Errorf("%s %s: the scope %s is not checked for a tenant", op.method, rt.pattern, op.scope)
			}
		}
	}
}
