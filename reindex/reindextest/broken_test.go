package reindextest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// halves is a source of one tenant that splits a slice into two parts.
type halves struct {
	reindextest.Slice

	tenant string
}

func (h halves) Open(_ context.Context, tenant string) (reindex.Snapshot, error) {
	if tenant != h.tenant {
		return nil, fmt.Errorf("no tenant %q", tenant)
	}
	return h, nil
}

func (h halves) Split(_ context.Context, n int) ([]string, error) {
	return []string{"0", "1"}[:min(n, 2)], nil
}

func (h halves) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	return h.part(ctx, name, 2)
}

func (h halves) part(ctx context.Context, name string, n int) iter.Seq2[reindex.Product, error] {
	i, err := strconv.Atoi(name)
	if err != nil || i >= n {
		return failed(fmt.Errorf("no part %q", name))
	}
	return h.Slice[len(h.Slice)*i/n : len(h.Slice)*(i+1)/n].Products(ctx)
}

func (h halves) Locate(_ context.Context, ids ...string) (map[string]string, error) {
	where := map[string]string{}
	for i, p := range h.Slice {
		for _, id := range ids {
			if p.ID == id {
				where[id] = place(i, p)
			}
		}
	}
	return where, nil
}

func place(i int, _ reindex.Product) string { return fmt.Sprintf("line %d", i+1) }

func failed(err error) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, err) }
}

// broken has sources that each break one promise.
var broken = map[string]struct {
	test string // the test that must fail
	open func(h halves) reindex.Source
}{
	"has only half in one part": {"Split", func(h halves) reindex.Source { return h }},
	"reuses a body's memory":    {"KeepsBodies", func(h halves) reindex.Source { return reusing{h} }},
	"ignores the tenant":        {"UnknownTenant", func(h halves) reindex.Source { return tenantless{h} }},
	"ignores a part's context":  {"PartEndedContext", func(h halves) reindex.Source { return deaf{h} }},
	"counts wrongly":            {"Count", func(h halves) reindex.Source { return miscounting{h} }},
	"locates wrongly":           {"Locate", func(h halves) reindex.Source { return mislocating{h} }},
	"yields from goroutines":    {"YieldsEveryProductOnce", func(h halves) reindex.Source { return scattered{h} }},
	"takes any part's name":     {"UnknownPart", func(h halves) reindex.Source { return anyPart{h} }},
}

type sound struct{ halves }

func (s sound) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	_, err := s.halves.Open(ctx, tenant)
	return s, err
}

func (s sound) Split(_ context.Context, n int) ([]string, error) {
	if n < 2 {
		return []string{"all"}, nil
	}
	return []string{"0", "1"}, nil
}

func (s sound) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	if name == "all" {
		return s.Products(ctx)
	}
	return s.part(ctx, name, 2)
}

// opened returns snap if h knows the tenant.
func opened(ctx context.Context, h halves, tenant string, snap reindex.Snapshot) (reindex.Snapshot, error) {
	_, err := h.Open(ctx, tenant)
	return snap, err
}

type reusing struct{ halves }

func (r reusing) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return opened(ctx, r.halves, tenant, reusingSnapshot{sound(r)})
}

type reusingSnapshot struct{ sound }

func (r reusingSnapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		var memory []byte
		for p, err := range r.sound.Products(ctx) {
			memory = append(memory[:0], p.Body...)
			if !yield(reindex.Product{ID: p.ID, Body: memory}, err) {
				return
			}
		}
	}
}

type tenantless struct{ halves }

func (l tenantless) Open(context.Context, string) (reindex.Snapshot, error) {
	return tenantlessSnapshot{sound(l)}, nil
}

type tenantlessSnapshot struct{ sound }

func (tenantlessSnapshot) Products(context.Context) iter.Seq2[reindex.Product, error] {
	return failed(errors.New("no such tenant")) // but Part still yields products
}

type deaf struct{ halves }

func (d deaf) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return opened(ctx, d.halves, tenant, deafSnapshot{sound(d)})
}

type deafSnapshot struct{ sound }

func (d deafSnapshot) Part(_ context.Context, name string) iter.Seq2[reindex.Product, error] {
	return d.sound.Part(context.Background(), name) //nolint:contextcheck // the promise that is broken
}

type miscounting struct{ halves }

func (m miscounting) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return opened(ctx, m.halves, tenant, miscountingSnapshot{sound(m)})
}

type miscountingSnapshot struct{ sound }

func (m miscountingSnapshot) Count(context.Context) (int64, error) {
	return int64(len(m.Slice)) + 1, nil
}

type mislocating struct{ halves }

func (m mislocating) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return opened(ctx, m.halves, tenant, mislocatingSnapshot{sound(m)})
}

type mislocatingSnapshot struct{ sound }

func (m mislocatingSnapshot) Locate(ctx context.Context, ids ...string) (map[string]string, error) {
	where, err := m.sound.Locate(ctx, ids...)
	for id, at := range where {
		where[id] = at + "0"
	}
	return where, err
}

type scattered struct{ halves }

func (s scattered) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return opened(ctx, s.halves, tenant, scatteredSnapshot{sound(s)})
}

type scatteredSnapshot struct{ sound }

func (s scatteredSnapshot) Products(ctx context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		more := make(chan bool)
		for p, err := range s.sound.Products(ctx) {
			go func() { more <- yield(p, err) }()
			if !<-more {
				return
			}
		}
	}
}

type anyPart struct{ halves }

func (a anyPart) Open(ctx context.Context, tenant string) (reindex.Snapshot, error) {
	return opened(ctx, a.halves, tenant, anyPartSnapshot{sound(a)})
}

type anyPartSnapshot struct{ sound }

func (a anyPartSnapshot) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	if name == "0" || name == "1" {
		return a.sound.Part(ctx, name)
	}
	return a.Products(ctx)
}

// brokenEnv is the environment variable with the name of the broken source that TestSuiteOfASource tests.
const brokenEnv = "REINDEXTEST_BROKEN"

// TestSuiteOfASource runs the suite with a sound source. In a process that TestBrokenSources starts, it runs the suite
// with a broken one.
func TestSuiteOfASource(t *testing.T) {
	b, isBroken := broken[os.Getenv(brokenEnv)]
	reindextest.TestSource(t, func(_ *testing.T, products []reindex.Product) reindextest.SourceFixture {
		h := halves{products, "acme"}
		f := reindextest.SourceFixture{Source: sound{h}, Tenant: "acme", Place: place}
		if isBroken {
			f.Source = b.open(h)
		}
		return f
	}, nil)
}

// If a source breaks a promise, the test of this promise fails.
func TestBrokenSources(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteOfASource$", "-test.v")
			cmd.Env = append(os.Environ(), brokenEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestSuiteOfASource/"+b.test) {
				t.Errorf("the test %s does not fail: %v\n%s", b.test, err, out)
			}
		})
	}
}
