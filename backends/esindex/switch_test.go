package esindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
)

// Of two runs that began with the same live index, the second commit fails, and the products of the first one stay
// live.
func TestCompareAndSwap(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first=%v", first), func(t *testing.T) {
			ix := open(t, nil)
			if !first {
				publish(t, ix, 2, "0")
			}
			other := begin(t, ix)
			fill(t, other, 3, "other")
			name := publish(t, ix, 4, "winner")
			err := other.Commit(t.Context())
			if err == nil || errors.As(err, new(*reindex.TemporaryError)) || !strings.Contains(err.Error(), name) {
				t.Errorf("the second commit: error %v, want a lasting one that names %s", err, name)
			}
			if err := other.Abort(t.Context()); err != nil {
				t.Error(err)
			}
			assertLive(t, ix, 4, "winner")
			assertIndexes(t, ix, name)
		})
	}
}

// The server refuses a switch that arrives after it was ruled out, even if there was no live index before.
func TestLateSwitchIsRuledOut(t *testing.T) {
	for _, live := range []int{0, 3} {
		t.Run(fmt.Sprintf("live=%d", live), func(t *testing.T) {
			ix := open(t, nil)
			if live > 0 {
				publish(t, ix, live, "1")
			}
			g := begin(t, ix)
			fill(t, g, 4, "2")
			s, err := g.plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if applied, certain, err := g.outcome(t.Context()); applied || !certain || err != nil {
				t.Fatalf("outcome: applied %v, certain %v, error %v, want certainly not applied", applied, certain, err)
			}
			if err := g.swap(t.Context(), s); err == nil {
				t.Error("the late switch is applied")
			}
			assertLive(t, ix, live, "1")
			mustCommit(t, g)
			assertLive(t, ix, 4, "2")
		})
	}
}

// The server refuses a switch that was planned before the switch of another run.
func TestSwitchAfterAnotherOne(t *testing.T) {
	ix := open(t, nil)
	publish(t, ix, 3, "1")
	g := begin(t, ix)
	fill(t, g, 4, "2")
	s, err := g.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	winner := publish(t, ix, 5, "winner")
	if err := g.swap(t.Context(), s); err == nil {
		t.Error("the outdated switch is applied")
	}
	assertAlias(t, ix, ix.Alias(acme), winner)
	assertLive(t, ix, 5, "winner")
}

// If a generation has the tenant's alias, its switch was not necessarily applied, since somebody else may have added
// the alias.
func TestAliasByHandIsNoSwitch(t *testing.T) {
	ix := open(t, nil)
	g := begin(t, ix)
	fill(t, g, 3, "1")
	mustAlias(t, ix, addAlias(g.name, ix.Alias(acme), liveDefinition()))
	if applied, certain, err := g.outcome(t.Context()); applied || !certain || err != nil {
		t.Errorf("outcome: applied %v, certain %v, error %v, want certainly not applied", applied, certain, err)
	}
}

// A complete generation to which somebody adds the tenant's alias is live, although its run has died.
func TestCompleteGenerationMadeLiveByHand(t *testing.T) {
	ix := open(t, nil)
	g := begin(t, ix)
	fill(t, g, 3, "1")
	die([]*pulse{&g.pulse})
	mustAlias(t, ix, addAlias(g.name, ix.Alias(acme), liveDefinition()))
	later := openOn(t, ix.transport, func(c *Config) { c.Prefix = ix.cfg.Prefix })
	later.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	if n, err := later.Reap(t.Context(), acme); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, want 0", n, err)
	}
	assertLive(t, ix, 3, "1")
	if n, err := later.DocCount(t.Context(), acme); n != 3 || err != nil {
		t.Errorf("%d documents, error %v, want 3", n, err)
	}
}

// A live index of another tenant that has the tenant's alias is not the tenant's live index. It stays when the tenant
// gets its own.
func TestAliasOfAnotherTenantsIndex(t *testing.T) {
	ix := open(t, nil)
	gen, err := ix.Begin(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, gen, 5, "theirs")
	mustCommit(t, gen)
	mustAlias(t, ix, addAlias(gen.Name(), ix.Alias(acme), definition{}))
	if n, err := ix.DocCount(t.Context(), acme); err == nil {
		t.Errorf("the tenant has %d documents, want an error", n)
	}
	mine := publish(t, ix, 3, "mine")
	assertAlias(t, ix, ix.Alias(acme), mine)
	assertAlias(t, ix, ix.Alias("other"), gen.Name())
	assertLive(t, ix, 3, "mine")
}

// Begin fails if an index has the name of the alias and cannot be replaced.
func TestConcreteIndexIsReadOnly(t *testing.T) {
	ix := open(t, nil)
	alias := ix.Alias(acme)
	must(t, ix, http.MethodPut, "/"+alias, "")
	must(t, ix, http.MethodPut, "/"+alias+"/_settings", `{"index.blocks.read_only":true}`)
	defer request(t, ix.transport, http.MethodPut, "/"+alias+"/_settings", `{"index.blocks.read_only":null}`)
	if _, err := ix.Begin(t.Context(), acme); err == nil || isTemporary(err) || !strings.Contains(err.Error(), alias) {
		t.Errorf("begin: error %v, want a lasting one that names the index", err)
	}
	assertIndexes(t, ix, alias)
}

// Reap does not wait for the searches in the live index.
func TestReapSkipsLiveIndex(t *testing.T) {
	ix := open(t, nil)
	live := publish(t, ix, 3, "1")
	ix.idle = time.Hour
	must(t, ix, http.MethodPost, "/"+live+"/_search?scroll=1m&size=1", `{}`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if n, err := ix.Reap(ctx, acme); n != 0 || err != nil {
		t.Errorf("reaped %d, error %v, want 0", n, err)
	}
}

// aliasAnswers is a transport to the server that answers changes of aliases itself.
type aliasAnswers struct {
	next   http.RoundTripper
	status int
	body   string
}

func (a aliasAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/_aliases" {
		return refuse(req, a.status, a.body)
	}
	return a.next.RoundTrip(req)
}

// Abort deletes an index even if its aliases cannot be changed, since the disk of the server is full.
func TestAbortOnAFullDisk(t *testing.T) {
	ix := open(t, nil)
	g := begin(t, ix)
	full := aliasAnswers{wire(t), http.StatusTooManyRequests, `{"error":{"type":"cluster_block_exception","reason":
		"index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark];"},"status":429}`}
	plain := ix.transport
	ix.transport = estest.Plain(t).Transport(t, withTransport(full))
	err := g.Abort(t.Context())
	ix.transport = plain
	if err != nil {
		t.Error(err)
	}
	assertIndexes(t, ix)
}

// A change of aliases that the nodes do not acknowledge is a temporary error.
func TestAliasesAreNotAcknowledged(t *testing.T) {
	slow := aliasAnswers{wire(t), http.StatusOK, `{"acknowledged":false}`}
	ix := openOn(t, estest.Plain(t).Transport(t, withTransport(slow)), nil)
	if err := ix.updateAliases(t.Context(), "test", nil); !isTemporary(err) {
		t.Errorf("change of aliases: error %v, want a temporary one", err)
	}
}
