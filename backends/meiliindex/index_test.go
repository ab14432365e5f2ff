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
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
	cfg := &Config{}
	if _, err := New(client, cfg); err != nil || !reflect.DeepEqual(*cfg, Config{}) {
		t.Errorf("New has changed the Config to %+v, error %v", *cfg, err)
	}
}

// Limits leave room for the keys within the payload limit of the server. The engine does not make batches smaller when
// a Write waits for tasks.
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
			t.Errorf("the limits for %+v are %+v, want %+v", test.cfg, got, want)
		}
	}
}

// The live and staging indexes of different tenants have different uids, even if the name of a tenant is like such a
// uid.
func TestUIDs(t *testing.T) {
	ix := newIndex(t, server(t), nil)
	name := stagingName{instance: ix.instance, token: 5, number: 7}
	staging := ix.stagingUID("acme", name)
	if got, ok := ix.parseStaging("acme", staging); !ok || got != name {
		t.Errorf("the uid %s is parsed as %+v, %v, want %+v", staging, got, ok, name)
	}
	name.token = noToken
	if got, ok := ix.parseStaging("acme", ix.stagingUID("acme", name)); !ok || got != name {
		t.Errorf("the uid without a token is parsed as %+v, %v, want %+v", got, ok, name)
	}
	name.stamps = [2]stamp{{1, 0, -1}, {math.MaxInt64, math.MaxInt64, 36*36*36*36*36*36*36 - 1}}
	kept := ix.stagingUID("acme", name)
	if got, ok := ix.parseStaging("acme", kept); !ok || got != name {
		t.Errorf("the uid %s with stamps is parsed as %+v, %v, want %+v", kept, got, ok, name)
	}
	like := strings.TrimPrefix(staging, ix.cfg.Prefix)
	stamps := strings.TrimPrefix(kept, ix.stagingUID("", name.base()))
	for _, tenant := range []string{"other", "me", "x-acme", like, "", stamps, strings.TrimLeft(stamps, "-")} {
		for _, uid := range []string{staging, kept} {
			if _, ok := ix.parseStaging(tenant, uid); ok {
				t.Errorf("the uid %s of tenant acme is parsed as that of tenant %q", uid, tenant)
			}
			if ix.LiveUID(tenant) == uid {
				t.Errorf("the live index of tenant %q has the uid %s of an index of tenant acme", tenant, uid)
			}
		}
	}
	if _, ok := ix.parseStaging("acme", ix.LiveUID(like)); ok {
		t.Error("the uid of a live index is parsed as that of a staging index")
	}
	long := strings.Repeat("é", reindex.MaxTenantBytes/2)
	if n := len(ix.stagingUID(long, name)); n-len(ix.cfg.Prefix)+100 > 400 {
		t.Errorf("the longest uid has %d bytes, want at most 400", n-len(ix.cfg.Prefix)+100)
	}
}

// A new index has settings before it has documents: those of the host, or else those of the live index.
func TestSettings(t *testing.T) {
	s := server(t)
	admin := connect(t, s.URL, meilitest.MasterKey)
	ours := newIndex(t, s, &Config{Settings: &meilisearch.Settings{FilterableAttributes: []string{"brand"},
		SortableAttributes: []string{"price"}}})
	gen := begin(t, ours)
	if got, err := admin.Index(gen.uid).GetSettingsWithContext(t.Context()); err != nil ||
		fmt.Sprint(got.FilterableAttributes) != "[brand]" {
		t.Errorf("the settings are %+v, error %v, want those of the host", got, err)
	}
	mustSeal(t, gen)
	mustCommit(t, gen)
	live := admin.Index(ours.LiveUID("acme"))
	for _, change := range []func() (*meilisearch.TaskInfo, error){
		func() (*meilisearch.TaskInfo, error) { return live.UpdateFacetSearchWithContext(t.Context(), false) },
		func() (*meilisearch.TaskInfo, error) {
			return live.UpdateSettingsWithContext(t.Context(), &meilisearch.Settings{
				StopWords: []string{"the"}, Pagination: &meilisearch.Pagination{MaxTotalHits: 77},
				Synonyms: map[string][]string{"a": {"b"}},
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
		t.Errorf("the settings are\n%+v, error %v, want\n%+v", after, err, before)
	}
	some := fmt.Sprint(after.SortableAttributes, after.StopWords, after.Pagination.MaxTotalHits, after.FacetSearch)
	if some != "[price] [the] 77 false" {
		t.Errorf("the settings are %+v, want those that were changed", after)
	}
}

// Begin fails if the live index has settings that cannot be copied.
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
			t.Errorf("begin: error %v, want one with %q", err, want)
		}
		change(t, s, http.MethodDelete, "/indexes/products_acme/settings", "")
	}
}

// change sends a request that must succeed, and waits for all tasks.
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

// A batch over the payload limit is split, whether the limit is known or the server refuses the batch. A product over
// the limit is rejected.
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
				t.Errorf("indexed %d, rejected %v, error %v, want only large rejected",
					report.Indexed, report.Rejections, err)
			}
		})
	}
}

// An Index can use a client that compresses its requests.
func TestGzip(t *testing.T) {
	s := server(t)
	var compressed atomic.Int64
	s.SetFault(func(r *http.Request) *meilitest.Fault {
		if r.Header.Get("Content-Encoding") == "gzip" && strings.HasSuffix(r.URL.Path, "/documents") {
			compressed.Add(1)
		}
		return nil
	})
	client := connect(t, s.URL, meilitest.MasterKey,
		meilisearch.WithContentEncoding(meilisearch.GzipEncoding, meilisearch.BestSpeed))
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
			t.Errorf("sealed %+v, want 99 documents and 1 failed", sealed)
		}
		mustCommit(t, gen)
	}
	if compressed.Load() == 0 {
		t.Error("no documents were sent compressed")
	}
	if _, err := ix.DocCount(t.Context(), "nobody"); !errors.Is(err, reindex.ErrNoLiveIndex) ||
		!strings.HasPrefix(err.Error(), "meiliindex: ") {
		t.Errorf("count: error %v, want %v", err, reindex.ErrNoLiveIndex)
	}
}

// A batch is encoded into one block of memory, which is large enough from the start.
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
			t.Errorf("products from %d on: %d documents and %d failed, want %d in all; the body is %q, want all lines",
				i, len(documents), len(failed), len(products)-i, body)
		}
		if len(documents) > 0 && &documents[0].line[0] != &body[0] {
			t.Errorf("products from %d on: the body was moved to a larger block", i)
		}
	}
}

// At most MaxTasks tasks wait on the server, and only their payloads are kept.
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
		t.Errorf("%d tasks wait and %d payloads are kept, want at most 3 each", after-before, len(gen.writer.sent))
	}
	s.Resume()
	for range 5 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	if sealed := mustSeal(t, gen); sealed.Documents != 8 || len(gen.writer.sent) != 0 || len(gen.writer.slots) != 0 {
		t.Errorf("sealed %+v with %d payloads, want 8 documents and no payloads", sealed, len(gen.writer.sent))
	}
}

// Errors have neither the body of a product nor the API key.
func TestErrorsHoldNoBodies(t *testing.T) {
	s := server(t)
	ix := newIndex(t, s, nil)
	gen := begin(t, ix)
	for _, status := range []int{0, 400, 413, 422, 500, 503} {
		s.SetFault(func(*http.Request) *meilitest.Fault { return &meilitest.Fault{Status: status, Body: "what? secret"} })
		err := gen.Write(t.Context(), []reindex.Product{product("a", `{"text":"secret"}`)})
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), meilitest.MasterKey) {
			t.Errorf("status %d: error %v, want one without secrets", status, err)
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
			t.Errorf("the body %q was changed to %q", before, body)
		}
		if err != nil || !validObject(body) {
			return
		}
		var with, without map[string]any
		unmarshal(t, line[len("prefix"):], &with)
		unmarshal(t, body, &without)
		if with["k"] != "id" {
			t.Errorf("the document of %q is %q, want it to have the key", body, line)
		}
		delete(with, "k")
		delete(without, "k")
		if !reflect.DeepEqual(with, without) {
			t.Errorf("the document of %q is %q, want the same fields", body, line)
		}
	})
}
