package esindex

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// apiKey returns a client with an API key that has these privileges for the indexes of a prefix.
func apiKey(t *testing.T, server *estest.Server, prefix, privileges string) *elastictransport.Client {
	t.Helper()
	role := `{"name":"` + prefix + `","role_descriptors":{"r":{"indices":[{"names":["` + prefix + `-*"],` +
		`"privileges":[` + privileges + `]}]}}}`
	status, text := request(t, server.Transport(t), http.MethodPost, "/_security/api_key", role)
	var key struct {
		Encoded string `json:"encoded"`
	}
	if err := json.Unmarshal([]byte(text), &key); err != nil || status != http.StatusOK {
		t.Fatalf("creating an API key: status %d: %s", status, text)
	}
	return server.Transport(t, elastictransport.WithAPIKey(key.Encoded))
}

const leastPrivileges = `"manage","index","delete","read"`

// The documented privileges are enough for all methods of an Index.
func TestLeastPrivileges(t *testing.T) {
	server := estest.Secure(t)
	transport := apiKey(t, server, "least", leastPrivileges)
	ix := openOn(t, transport, func(c *Config) { c.Prefix, c.KeepPrevious = "least", 1 })
	for _, n := range []int{3, 4, 5} {
		if _, err := reindexed(t, ix, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rollback(t, ix); err != nil {
		t.Error(err)
	}
	if n, err := ix.DocCount(t.Context(), acme); n != 4 || err != nil {
		t.Errorf("%d documents, error %v, want 4", n, err)
	}
	changes := []reindex.Change{upsert("p0", "2"), deletion("p1")}
	if err := errors.Join(ix.Update(t.Context(), acme, changes), ix.Settle(t.Context(), acme)); err != nil {
		t.Error(err)
	}
	gen, err := ix.Begin(reindex.WithFence(t.Context(), 1), acme)
	if err != nil {
		t.Fatal(err)
	}
	editor, _ := reindex.As[reindex.Editor](gen)
	if err := editor.Edit(t.Context(), changes); err != nil {
		t.Errorf("edit: %v", err)
	}
	if n, err := ix.Reap(reindex.WithFence(t.Context(), 2), acme); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want only the run with the smaller token", n, err)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecurityErrors(t *testing.T) {
	server := estest.Secure(t)
	secret := "s3cr3t-" + server.Password
	withPassword, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	withPassword.User = url.UserPassword("elastic", secret)
	encoded := "bm8tc3VjaC1rZXk6c2VjcmV0LXNlY3JldC1zZWNyZXQ="
	for _, test := range []struct {
		name      string
		transport *elastictransport.Client
		says      string
	}{
		{"wrong password", server.Transport(t, elastictransport.WithBasicAuth("elastic", secret)), "security_exception"},
		{"wrong password in the URL", server.Transport(t, elastictransport.WithURLs(withPassword)), "security_exception"},
		{"wrong API key", server.Transport(t, elastictransport.WithAPIKey(encoded)), "security_exception"},
		{"no privilege", apiKey(t, server, "denied", `"read","view_index_metadata"`), "create"},
		{"unknown authority", server.Transport(t, elastictransport.WithTransport(&http.Transport{})), "certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix, err := New(test.transport, &Config{Prefix: "denied"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = ix.Begin(t.Context(), acme)
			if err == nil || errors.As(err, new(*reindex.TemporaryError)) ||
				!strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), ix.Alias(acme)) {
				t.Errorf("begin: error %v, want a lasting one with %q and the alias", err, test.says)
			}
			for _, word := range []string{secret, encoded, server.Password} {
				if strings.Contains(fmt.Sprintf("%v %+v", err, err), word) {
					t.Errorf("the error has a secret: %v", err)
				}
			}
		})
	}
}

// Each of the privileges is needed: if one is missing, Begin fails before products are loaded.
func TestMissingPrivilege(t *testing.T) {
	server := estest.Secure(t)
	for missing, privileges := range map[string]string{
		"manage": `"index","read"`, "index": `"manage","read"`, "read": `"manage","index"`,
	} {
		t.Run(missing, func(t *testing.T) {
			prefix := "lacks-" + missing
			transport := apiKey(t, server, prefix, privileges)
			ix, err := New(transport, &Config{Prefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			_, err = ix.Begin(t.Context(), acme)
			if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "security_exception") ||
				!strings.Contains(err.Error(), ix.Alias(acme)) {
				t.Errorf("begin: error %v, want a lasting one of the privilege with the alias", err)
			}
			reindextest.AssertPublic(t, err, "the server's account lacks a privilege for indices:", prefix)
			if missing != "manage" {
				assertIndexes(t, ix)
			}
		})
	}
}

// Without the privilege to delete, runs and upserts succeed. A deletion fails with an error that names the missing
// privilege.
func TestMissingPrivilegeToDelete(t *testing.T) {
	server := estest.Secure(t)
	ix := openOn(t, apiKey(t, server, "keeps", `"manage","index","read"`), func(c *Config) { c.Prefix = "keeps" })
	publish(t, ix, 3, "1")
	if err := ix.Update(t.Context(), acme, []reindex.Change{upsert("p0", "1"), upsert("new", "1")}); err != nil {
		t.Error(err)
	}
	err := ix.Update(t.Context(), acme, []reindex.Change{deletion("p1")})
	if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "security_exception") {
		t.Errorf("deletion: error %v, want a lasting one of the privilege", err)
	}
	reindextest.AssertPublic(t, err, "the server's account lacks a privilege for indices:", "keeps")
	if err := ix.Settle(t.Context(), acme); err != nil {
		t.Error(err)
	}
	assertLive(t, ix, 4, "1")
}
