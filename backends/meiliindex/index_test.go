package meiliindex

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/meilisearch/meilisearch-go"

	"productindex/backends/meiliindex/internal/meilitest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

func TestNew(t *testing.T) {
	client := connect(t, "http://localhost", "")
	if _, err := New(nil, nil); err == nil {
		t.Error("a nil client is accepted")
	}
	if _, err := New(client, nil); err != nil {
		t.Error(err)
	}
	_, err := New(client, &Config{Prefix: "-a", KeyAttribute: "_geo", PayloadLimit: -1, BatchBytes: -1, MaxTasks: -1,
		PollInterval: -1})
	for _, name := range []string{"Prefix", "KeyAttribute", "PayloadLimit", "BatchBytes", "MaxTasks", "PollInterval"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	cfg := &Config{}
	if _, err := New(client, cfg); err != nil || !reflect.DeepEqual(*cfg, Config{}) {
		t.Errorf("the config became %+v, %v", *cfg, err)
	}
}

// Limits leave room for the keys within the server's limit. Batches never get smaller because a Write waited for tasks.
func TestLimits(t *testing.T) {
	for _, test := range []struct {
		cfg   Config
		bytes int
	}{
		{Config{}, 50_000_000},
		{Config{BatchBytes: 1 << 20}, 1 << 20},
		{Config{PayloadLimit: 1 << 20}, 1 << 19},
		{Config{PayloadLimit: 1}, 1},
	} {
		got := newIndex(t, server(t), &test.cfg).Limits()
		if want := (reindex.Limits{MaxDocs: limitDocs, MaxBytes: test.bytes, MaxInFlight: 1, SlowWrite: -1}); got != want {
			t.Errorf("%+v: %+v, want %+v", test.cfg, got, want)
		}
	}
}

// The names of live and staging indexes of different tenants never meet, also when a tenant is named like one.
func TestUIDs(t *testing.T) {
	ix := newIndex(t, server(t), nil)
	name := stagingName{instance: ix.instance, token: 5, number: 7}
	staging := ix.stagingUID("acme", name)
	if got, ok := ix.parseStaging("acme", staging); !ok || got != name {
		t.Errorf("%s is read as %+v, %v", staging, got, ok)
	}
	name.token = noToken
	if got, ok := ix.parseStaging("acme", ix.stagingUID("acme", name)); !ok || got != name {
		t.Errorf("without a token: %+v, %v", got, ok)
	}
	name.stamps = [2]stamp{{1, 0, -1}, {math.MaxInt64, math.MaxInt64, 36*36*36*36*36*36*36 - 1}}
	kept := ix.stagingUID("acme", name)
	if got, ok := ix.parseStaging("acme", kept); !ok || got != name {
		t.Errorf("with stamps: %s is read as %+v, %v", kept, got, ok)
	}
	like := strings.TrimPrefix(staging, ix.cfg.Prefix)
	stamps := strings.TrimPrefix(kept, ix.stagingUID("", name.base()))
	for _, tenant := range []string{"other", "me", "x-acme", like, "", stamps, strings.TrimLeft(stamps, "-")} {
		for _, uid := range []string{staging, kept} {
			if _, ok := ix.parseStaging(tenant, uid); ok {
				t.Errorf("%s is read as an index of tenant %q", uid, tenant)
			}
			if ix.LiveUID(tenant) == uid {
				t.Errorf("the live index of tenant %q is %s", tenant, uid)
			}
		}
	}
	if _, ok := ix.parseStaging("acme", ix.LiveUID(like)); ok {
		t.Error("a live index counts as a leftover")
	}
	long := strings.Repeat("é", reindex.MaxTenantBytes/2)
	if n := len(ix.stagingUID(long, name)); n-len(ix.cfg.Prefix)+100 > 400 {
		t.Errorf("the longest uid has %d bytes", n-len(ix.cfg.Prefix)+100)
	}
}

// An index has its settings before its documents: the host's, or those of the live one.
func TestSettings(t *testing.T) {
	s := server(t)
	admin := connect(t, s.URL, meilitest.MasterKey)
	ours := newIndex(t, s, &Config{Settings: &meilisearch.Settings{FilterableAttributes: []string{"brand"},
		SortableAttributes: []string{"price"}}})
	gen := begin(t, ours)
	if got, err := admin.Index(gen.uid).GetSettingsWithContext(t.Context()); err != nil ||
		fmt.Sprint(got.FilterableAttributes) != "[brand]" {
		t.Errorf("settings %+v, %v", got, err)
	}
	mustSeal(t, gen)
	if err := gen.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	live := admin.Index(ours.LiveUID("acme"))
	for _, change := range []func() (*meilisearch.TaskInfo, error){
		func() (*meilisearch.TaskInfo, error) { return live.UpdateFacetSearchWithContext(t.Context(), false) },
		func() (*meilisearch.TaskInfo, error) {
			return live.UpdateSettingsWithContext(t.Context(), &meilisearch.Settings{
				StopWords: []string{"the"}, Pagination: &meilisearch.Pagination{MaxTotalHits: 77}, Synonyms: map[string][]string{"a": {"b"}},
				TypoTolerance: &meilisearch.TypoTolerance{
					MinWordSizeForTypos: meilisearch.MinWordSizeForTypos{OneTypo: 3, TwoTypos: 6},
				},
			})
		},
	} {
		if _, err := change(); err != nil {
			t.Fatal(err)
		}
	}
	waitAll(t, s)
	before, err := live.GetSettingsWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	publish(t, newIndex(t, s, nil), product("a", `{}`))
	after, err := live.GetSettingsWithContext(t.Context())
	if err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("the settings were\n%+v and are\n%+v, %v", before, after, err)
	}
	if fmt.Sprint(after.SortableAttributes, after.StopWords, after.Pagination.MaxTotalHits,
		after.FacetSearch) != "[price] [the] 77 false" {
		t.Errorf("settings %+v", after)
	}
}

// Settings that cannot be kept are an error, not lost.
func TestSettingsThatCanNotBeKept(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	publish(t, ix, product("a", `{}`))
	for body, want := range map[string]string{
		`{"filterableAttributes":[{"attributePatterns":["brand"]}]}`: "does not understand",
		`{"embedders":{"a":{"source":"openAi"}}}`:                    "embedders",
	} {
		change(t, s, http.MethodPatch, "/indexes/products_acme/settings", body)
		if _, err := ix.Begin(t.Context(), "acme"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("begin: %v", err)
		}
		change(t, s, http.MethodDelete, "/indexes/products_acme/settings", "")
	}
}

func change(t *testing.T, s *meilitest.Server, method, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+meilitest.MasterKey)
	req.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	waitAll(t, s)
}

// Reap leaves alone what another process works on, until that has been idle for long, or its token shows that it is
// over.

// A payload over the limit is not sent, or refused by the server, and then split; a product of its own size is
// rejected.
func TestPayloadLimit(t *testing.T) {
	for name, limit := range map[string]int{"known": 20_000, "not known": 0} {
		t.Run(name, func(t *testing.T) {
			s := server(t)
			s.PayloadLimit = 20_000
			ix := newIndex(t, s, &Config{PayloadLimit: limit})
			products := reindextest.Products(500, "1")
			products[100] = product("large", `{"text":"`+strings.Repeat("x", 20_000)+`"}`)
			engine, err := reindex.New(reindextest.Slice(products), ix, &reindex.Config{MaxRejected: 1})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), "acme")
			if err != nil || report.Indexed != 499 || len(report.Rejections) != 1 || report.Rejections[0].ID != "large" {
				t.Errorf("indexed %d, rejected %v, %v", report.Indexed, report.Rejections, err)
			}
		})
	}
}

// A client that compresses works as well.
func TestGzip(t *testing.T) {
	s := server(t)
	var compressed atomic.Int64
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.Header.Get("Content-Encoding") == "gzip" && strings.HasSuffix(r.URL.Path, "/documents") {
			compressed.Add(1)
		}
		return nil
	})
	client := connect(t, s.URL, meilitest.MasterKey, meilisearch.WithContentEncoding(meilisearch.GzipEncoding,
		meilisearch.BestSpeed))
	ix, err := New(client, withFastPolls(nil))
	if err != nil {
		t.Fatal(err)
	}
	products := reindextest.Products(100, "1")
	products[50].Body = []byte(`{"_vectors":1}`)
	for range 2 {
		gen := begin(t, ix)
		mustWrite(t, gen, products...)
		if sealed := mustSeal(t, gen); sealed.Documents != 99 || len(sealed.Failed) != 1 {
			t.Errorf("sealed %+v", sealed)
		}
		if err := gen.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if compressed.Load() == 0 {
		t.Error("nothing was compressed")
	}
	if _, err := ix.DocCount(t.Context(), "nobody"); !errors.Is(err, reindex.ErrNoLiveIndex) ||
		!strings.HasPrefix(err.Error(), "meiliindex: ") {
		t.Errorf("count: %v", err)
	}
}

// A batch is encoded into one piece of memory.
func TestEncodeOnce(t *testing.T) {
	ix := newIndex(t, server(t), nil)
	products := []reindex.Product{
		product("a", `{}`), product("ä", ` {"x":1} `),
		product(strings.Repeat("/", 382), `{"x":1}`), product(strings.Repeat("i", 511), `{}`),
		product("", `{}`), product("none", `[]`), product("//", `{"x":{}}`),
	}
	for i := range products {
		documents, body, failed := ix.encode(products[i:])
		if len(documents)+len(failed) != len(products)-i || !bytes.Equal(body, payload(documents)) {
			t.Errorf("from %d on: %d documents, %d failed, body %q", i, len(documents), len(failed), body)
		}
		if len(documents) > 0 && &documents[0].line[0] != &body[0] {
			t.Errorf("from %d on: the body was moved while it was written", i)
		}
	}
}

// No more than MaxTasks tasks wait, and no more than their payloads are kept.
func TestMaxTasks(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, &Config{MaxTasks: 3})
	gen := begin(t, ix)
	s.Pause()
	_, before := s.Task(0)
	results := make(chan error)
	for i := range 8 {
		go func() { results <- gen.Write(t.Context(), []reindex.Product{product(fmt.Sprint(i), `{}`)}) }()
	}
	for range 3 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if _, after := s.Task(0); after-before > 3 || len(gen.writer.sent) > 3 {
		t.Errorf("%d tasks wait, %d payloads are kept", after-before, len(gen.writer.sent))
	}
	s.Resume()
	for range 5 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 8 || len(gen.writer.sent) != 0 || len(gen.writer.slots) != 0 {
		t.Errorf("sealed %+v, %d payloads are kept", sealed, len(gen.writer.sent))
	}
}

// Errors and documents hold no body of a product.
func TestErrorsHoldNoBodies(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	for _, status := range []int{0, 400, 413, 422, 500, 503} {
		s.SetFault(func(*http.Request) *meilitest.Fault { return &meilitest.Fault{Status: status, Body: "what? secret"} })
		err := gen.Write(t.Context(), []reindex.Product{product("a", `{"text":"secret"}`)})
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), meilitest.MasterKey) {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

func FuzzAppendDocument(f *testing.F) {
	for _, body := range []string{`{}`, ` { } `, `{"a":1}`, `{"a":"}"}`, `[]`, ``, `{`, `{"k":"x"}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		line, err := appendDocument([]byte("prefix"), body, "k", "id")
		if !bytes.Equal(body, before) {
			t.Error("the body was changed")
		}
		if err != nil || !validObject(body) {
			return
		}
		var with, without map[string]any
		unmarshal(t, line[len("prefix"):], &with)
		unmarshal(t, body, &without)
		if with["k"] != "id" {
			t.Errorf("%q became %q", body, line)
		}
		delete(with, "k")
		delete(without, "k")
		if !reflect.DeepEqual(with, without) {
			t.Errorf("%q became %q", body, line)
		}
	})
}
