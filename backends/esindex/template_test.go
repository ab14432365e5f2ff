package esindex

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex/reindextest"
)

// template creates an index template for the indexes whose names are the prefix and the pattern. It is deleted at the
// end of the test.
func template(t *testing.T, ix *Index, pattern, body string) {
	t.Helper()
	path := "/_index_template/" + ix.cfg.Prefix
	must(t, ix, http.MethodPut, path, `{"index_patterns":["`+ix.cfg.Prefix+"-"+pattern+`"],"template":`+body+`}`)
	t.Cleanup(func() { request(t, ix.transport, http.MethodDelete, path, "") })
}

// must sends a request that must succeed, and returns the body of the answer.
func must(t *testing.T, ix *Index, method, path, body string) string {
	t.Helper()
	status, text := request(t, ix.transport, method, path, body)
	if status >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: status %d: %s", method, path, status, text)
	}
	return text
}

// assertAlias checks the names of the indexes that an alias points to.
func assertAlias(t *testing.T, ix *Index, alias string, want ...string) {
	t.Helper()
	found, err := ix.look(t.Context(), alias)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(found))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the alias %s points to %v, want %v", alias, got, want)
	}
}

// A template that adds aliases to every new index does not make an unfinished generation live, neither through the
// tenant's alias nor through another one, whether or not another index is live.
func TestTemplateGivesTheAlias(t *testing.T) {
	for _, live := range []int{0, 3} {
		t.Run(fmt.Sprintf("live=%d", live), func(t *testing.T) {
			ix := open(t, nil)
			var names []string
			if live > 0 {
				names = append(names, publish(t, ix, live, "old"))
			}
			template(t, ix, "acme-*", `{"aliases":{"`+ix.Alias(acme)+`":{},"`+ix.cfg.Prefix+`x-all":{}}}`)
			g := begin(t, ix)
			if err := g.Write(t.Context(), reindextest.Products(9, "half")); err != nil {
				t.Fatal(err)
			}
			assertAlias(t, ix, ix.Alias(acme), names...)
			assertAlias(t, ix, ix.cfg.Prefix+"x-all")
			want := int64(live)
			if live == 0 {
				want = -1
			}
			if sealed, err := g.Seal(t.Context()); err != nil || sealed.Live != want {
				t.Errorf("sealed %+v, error %v, want %d live", sealed, err, want)
			}
			if err := g.Abort(t.Context()); err != nil {
				t.Fatal(err)
			}
			assertIndexes(t, ix, names...)
			assertLive(t, ix, live, "old")
			for i := range 2 {
				rev := fmt.Sprint(i)
				name := publish(t, ix, 4+i, rev)
				assertLive(t, ix, 4+i, rev)
				assertAlias(t, ix, ix.cfg.Prefix+"x-all", name)
				assertIndexes(t, ix, name)
			}
		})
	}
}

// A template with a wide pattern does not make the products of one tenant live for another.
func TestTemplateGivesAnotherTenantsAlias(t *testing.T) {
	ix := open(t, nil)
	mine := publish(t, ix, 3, "mine")
	template(t, ix, "*", `{"aliases":{"`+ix.Alias(acme)+`":{}}}`)
	gen, err := ix.Begin(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, gen, 5, "theirs")
	assertLive(t, ix, 3, "mine")
	mustCommit(t, gen)
	assertLive(t, ix, 3, "mine")
	assertAlias(t, ix, ix.Alias(acme), mine)
	name := publish(t, ix, 2, "again")
	assertAlias(t, ix, ix.Alias(acme), name)
}

// A process that dies right after it has created an index can leave an index with the tenant's alias that was never
// live. This index is not counted, and Reap deletes it.
func TestUnpublishedWithAlias(t *testing.T) {
	for _, live := range []int{0, 3} {
		for _, tenant := range []string{acme, "other"} {
			t.Run(fmt.Sprintf("live=%d,tenant=%s", live, tenant), func(t *testing.T) {
				ix := open(t, nil)
				if live > 0 {
					publish(t, ix, live, "old")
				}
				n := ix.names(tenant)
				dead := &generation{ix: ix, names: n, name: generationName(n.live, time.Now())}
				if err := dead.create(t.Context()); err != nil {
					t.Fatal(err)
				}
				must(t, ix, http.MethodPut, "/"+dead.name+"/_alias/"+ix.Alias(acme), "")
				must(t, ix, http.MethodPut, "/"+dead.name+"/_doc/half?refresh=true", `{"rev":"half"}`)
				count, err := ix.DocCount(t.Context(), acme)
				if live > 0 && (count != 3 || err != nil) || live == 0 && err == nil {
					t.Errorf("%d documents, error %v, want %d", count, err, live)
				}
				name := publish(t, ix, 1, "new")
				assertLive(t, ix, 1, "new")
				assertAlias(t, ix, ix.Alias(acme), name)
				if n, err := ix.Reap(t.Context(), tenant); n != 1 || err != nil {
					t.Errorf("reaped %d, error %v, want 1", n, err)
				}
				assertIndexes(t, ix, name)
			})
		}
	}
}

// Begin fails if a template makes the index refuse or change some products, and leaves no index.
func TestUnsuitableTemplates(t *testing.T) {
	for _, test := range []struct {
		name, body, says string
		change           func(*Config)
	}{
		{"strict", `{"mappings":{"dynamic":"strict"}}`, `dynamic to "strict"`, func(c *Config) { c.Mappings = []byte(`{}`) }},
		{"pipeline", `{"settings":{"index.default_pipeline":"somewhere"}}`, "pipeline somewhere", nil},
		{"last pipeline", `{"settings":{"index.final_pipeline":"somewhere"}}`, "pipeline somewhere", nil},
		{"routing", `{"mappings":{"_routing":{"required":true}}}`, "routing", nil},
		{"no writes", `{"settings":{"index.blocks.write":true}}`, "blocked", nil},
		{"no reads", `{"settings":{"index.blocks.read":true}}`, "blocked", nil},
		{"read-only", `{"settings":{"index.blocks.read_only":true}}`, "blocked", nil},
		{"data stream", ``, "data stream", nil},
		{"write index", `{"aliases":{"%s":{"is_write_index":true}}}`, "is_write_index", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, test.change)
			live := publish(t, ix, 3, "live")
			if test.name == "data stream" {
				path := "/_index_template/" + ix.cfg.Prefix
				status, text := request(t, ix.transport, http.MethodPut, path,
					`{"index_patterns":["`+ix.cfg.Prefix+`-acme-*"],"data_stream":{}}`)
				if status != http.StatusOK {
					t.Skip("the distribution has no data streams: ", text)
				}
				t.Cleanup(func() { request(t, ix.transport, http.MethodDelete, path, "") })
			} else {
				template(t, ix, "acme-*", strings.ReplaceAll(test.body, "%s", ix.Alias(acme)))
			}
			gen, err := ix.Begin(t.Context(), acme)
			if err == nil {
				t.Error("begin: no error")
				_ = gen.Abort(t.Context())
			} else if isTemporary(err) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("begin: error %v, want a lasting one with %q", err, test.says)
			}
			if test.name != "read-only" { // a read-only index cannot be deleted
				assertIndexes(t, ix, live)
			} else {
				must(t, ix, http.MethodPut, "/"+ix.cfg.Prefix+"-*/_settings?expand_wildcards=all",
					`{"index.blocks.read_only":null}`)
			}
			assertLive(t, ix, 3, "live")
		})
	}
}

// The mappings and the settings of the host override those of a template.
func TestTemplateIsOverridden(t *testing.T) {
	ix := open(t, func(c *Config) { c.Settings = []byte(`{"index.default_pipeline":"_none"}`) })
	template(t, ix, "*", `{"mappings":{"dynamic":"strict"},"settings":{"index.default_pipeline":"somewhere"}}`)
	publish(t, ix, 3, "1")
	assertLive(t, ix, 3, "1")
}

// An index has no replicas and no refreshes while it is loaded. Then it has those of the host's settings, or else of a
// template, or else the defaults of the server.
func TestReplicasAndRefresh(t *testing.T) {
	const ofTemplate = `{"settings":{"number_of_replicas":2,"refresh_interval":"9s","auto_expand_replicas":false}}`
	for _, test := range []struct {
		name, config, template string
		want                   map[string]string
	}{
		{"defaults", ``, ``, map[string]string{"number_of_replicas": "1"}},
		{
			"template", ``, ofTemplate,
			map[string]string{"number_of_replicas": "2", "refresh_interval": "9s", "auto_expand_replicas": "false"},
		},
		{
			"host", `{"number_of_replicas":0,"refresh_interval":"7s"}`, ofTemplate,
			map[string]string{"number_of_replicas": "0", "refresh_interval": "7s"},
		},
		{
			"expanding", ``, `{"settings":{"auto_expand_replicas":"0-1"}}`,
			map[string]string{"number_of_replicas": "0", "auto_expand_replicas": "0-1"},
		},
		{
			"many copies", ``, `{"settings":{"index.write.wait_for_active_shards":"2","number_of_replicas":1}}`,
			map[string]string{"number_of_replicas": "1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix := open(t, func(c *Config) {
				if test.config != "" {
					c.Settings = []byte(test.config)
				}
			})
			if test.template != "" {
				template(t, ix, "acme-*", test.template)
			}
			g := begin(t, ix)
			settings := func() map[string]any {
				t.Helper()
				found, err := ix.look(t.Context(), g.name)
				if err != nil {
					t.Fatal(err)
				}
				return found[g.name].Settings.Index
			}
			if s := settings(); fmt.Sprint(s["number_of_replicas"]) != "0" || fmt.Sprint(s["refresh_interval"]) != "-1" {
				t.Errorf("the settings during the load are %v, want no replicas and no refresh", s)
			}
			fill(t, g, 3, "1")
			s := settings()
			for name, want := range test.want {
				if got := fmt.Sprint(s[name]); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			if _, set := s["refresh_interval"]; set && test.want["refresh_interval"] == "" {
				t.Errorf("the refresh interval is %v, want the default of the server", s["refresh_interval"])
			}
		})
	}
}

// A cluster with too few nodes for the replicas is an error of Begin, or of Seal if Begin cannot find out.
func TestReplicasWithoutRoom(t *testing.T) {
	settings := func(c *Config) {
		c.Settings, c.ReplicaTimeout = []byte(`{"number_of_replicas":1}`), 300*time.Millisecond
	}
	ix := open(t, settings)
	_, err := ix.Begin(t.Context(), acme)
	if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "needs 2 data nodes, and the cluster has 1") {
		t.Errorf("begin with one node and one replica: error %v, want a lasting one with the number of nodes", err)
	}
	assertIndexes(t, ix)

	// Without the privilege to see the nodes, Seal waits for the replicas in vain.
	server := estest.Plain(t)
	blind := openOn(t, server.Transport(t, withTransport(refusing{"/_cluster/health", wire(t)})), settings)
	g := begin(t, blind)
	_, err = g.Seal(t.Context())
	if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "1 of the 2 shard copies") {
		t.Errorf("seal with one node and one replica: error %v, want a lasting one with the shard copies", err)
	}
}

// Begin fails if the cluster has no room for the shards and replicas of a new index.
func TestShardsWithoutRoom(t *testing.T) {
	ix := open(t, func(c *Config) { c.Settings = []byte(`{"number_of_shards":1000,"number_of_replicas":0}`) })
	template(t, ix, "*", `{"settings":{"number_of_replicas":9}}`)
	ix.settings.create[replicas] = 9
	_, err := ix.Begin(t.Context(), acme)
	if err == nil || isTemporary(err) || !strings.Contains(err.Error(), "maximum") {
		t.Errorf("begin with 10,000 shard copies: error %v, want a lasting one", err)
	}
	reindextest.AssertPublic(t, err, "the cluster has no room for the shards of another index: "+
		"Validation Failed: 1: this action would add [10000] ", ix.cfg.Prefix)
	assertIndexes(t, ix)
}
