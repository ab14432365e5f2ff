package esindex

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// repeating is a transport to the server that sends the first request for a second page of a scroll twice, as a proxy
// that has lost the answer does.
type repeating struct {
	next esapi.Transport
	once *sync.Once
}

func (r repeating) Perform(req *http.Request) (*http.Response, error) {
	var err error
	if strings.HasSuffix(req.URL.Path, "/_search/scroll") && req.Method == http.MethodPost {
		r.once.Do(func() { err = r.lose(req) })
	}
	if err != nil {
		return nil, err
	}
	return r.next.Perform(req)
}

func (r repeating) lose(req *http.Request) error {
	body, err := req.GetBody()
	if err != nil {
		return err
	}
	again := req.Clone(req.Context())
	again.Body = body
	res, err := r.next.Perform(again)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// A scan that misses a page fails, since the products of the page would otherwise count as removed.
func TestScanMissesAPage(t *testing.T) {
	ix := open(t, nil)
	publish(t, ix, maxPage+10, "1")
	products := 0
	scan := func() (err error) {
		products = 0
		for _, err = range ix.ScanLive(t.Context(), acme) {
			products++
		}
		return err
	}
	if err := scan(); err != nil || products != maxPage+10 {
		t.Fatalf("scanned %d products, error %v, want %d", products, err, maxPage+10)
	}
	ix.transport = repeating{ix.transport, new(sync.Once)}
	err := scan()
	if !isTemporary(err) ||
		!strings.Contains(err.Error(), fmt.Sprintf("%d of %d products", maxPage, maxPage+10)) {
		t.Errorf("scan without a page: error %v, want a temporary one with the numbers of products", err)
	}
}

// counting is a transport to the server that counts the requests.
type counting struct {
	esapi.Transport

	requests *atomic.Int64
}

func (c counting) Perform(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.Transport.Perform(req)
}

// A scan sends one request per page, and none after the last page.
func TestScanRequests(t *testing.T) {
	for _, test := range []struct{ products, pages int64 }{{1, 1}, {maxPage, 1}, {maxPage + 1, 2}} {
		ix := open(t, nil)
		publish(t, ix, int(test.products), "1")
		requests := new(atomic.Int64)
		ix.transport = counting{ix.transport, requests}
		products := int64(0)
		for _, err := range ix.ScanLive(t.Context(), acme) {
			if err != nil {
				t.Fatal(err)
			}
			products++
		}
		const others = 4 // to find the live index, refresh it, measure a product, and end the scroll
		if n := requests.Load(); n != test.pages+others || products != test.products {
			t.Errorf("%d requests for %d products, want %d for %d", n, products, test.pages+others, test.products)
		}
	}
}

// A page has fewer products if the products are large.
func TestPageSize(t *testing.T) {
	ix := open(t, nil)
	engine, err := reindex.New(reindextest.Slice{
		reindextest.NewProduct("a", map[string]any{"text": strings.Repeat("word ", pageBytes/5/10)}),
		reindextest.NewProduct("b", map[string]any{"text": strings.Repeat("word ", pageBytes/5/10)}),
	}, ix, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), acme); err != nil {
		t.Fatal(err)
	}
	if size, err := ix.pageSize(t.Context(), []string{ix.Alias(acme)}); size != 9 || err != nil {
		t.Errorf("the size of a page is %d products, error %v, want 9", size, err)
	}
}

// An answer without the parts of a search result is an error, and not the end of the scan.
func TestScanRefusesAnswers(t *testing.T) {
	for _, body := range []string{
		``, `{`, `{}`, `null`, `[]`, `{"hits":{}}`, `{"hits":{"hits":[]}}`, `{"hits":{"hits":[],"total":{"value":null}}}`,
		`{"hits":{"hits":{},"total":{"value":0}}}`, `{"hits":{"hits":[],"total":{"value":0}}`,
		`{"hits":{"hits":[],"total":{"value":1}}}`, `{"hits":{"hits":[{"_id":"a"}],"total":{"value":1}}}`,
		`{"timed_out":true,"hits":{"hits":[],"total":{"value":0}}}`,
		`{"_shards":{"total":2,"successful":1},"hits":{"hits":[],"total":{"value":0}}}`,
	} {
		ix, err := New(answers{status: http.StatusOK, body: body}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = nil
		ix.scan(t.Context(), []string{"x"}, func(_ reindex.Product, failure error) bool {
			err = failure
			return true
		})
		if err == nil {
			t.Errorf("the answer %s ends the scan without an error", body)
		}
	}
}

// failing is a transport that calls itself, and then fails.
type failing func()

func (f failing) Perform(*http.Request) (*http.Response, error) {
	f()
	return nil, errGone
}

// If the transport panics or ends its goroutine while a page is read ahead, the scan fails, and the program goes on.
func TestScanOutlivesItsTransport(t *testing.T) {
	for name, f := range map[string]failing{"panic": func() { panic("broken") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			ix, err := New(f, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := &scroll{ix: ix}
			p := <-s.read(t.Context(), everything([]string{"x"}, 1, scanKeep))
			panicked, ok := errors.AsType[*reindex.PanicError](p.err)
			if name == "panic" && (!ok || panicked.Value != "broken") || name == "goexit" && !errors.Is(p.err, errGone) {
				t.Errorf("reading a page: error %v, want that of the transport", p.err)
			}
		})
	}
}

// The ids and bodies of a page are those that encoding/json reads.
func FuzzPage(f *testing.F) {
	f.Add("1", `{"a":1}`, "ä/\"\\\n", `{"_id":"other","_source":{},"hits":{"hits":[]}}`)
	f.Add("", `{"a":"}]"}`, "\u2028", `{ "\u0061" : [ "\"" , "\\" ] }`)
	f.Fuzz(func(t *testing.T, id1, body1, id2, body2 string) {
		type hit struct {
			Index  string          `json:"_index"`
			ID     string          `json:"_id"`
			Score  *float64        `json:"_score"`
			Source json.RawMessage `json:"_source"`
		}
		text, err := json.Marshal(map[string]any{
			"_scroll_id": id2, "_shards": map[string]int{"total": 3, "successful": 2},
			"hits": map[string]any{
				"total": map[string]int{"value": 2},
				"hits": []hit{
					{Index: "x", ID: id1, Source: json.RawMessage(body1)},
					{Index: "x", ID: id2, Source: json.RawMessage(body2)},
				},
			},
		})
		if err != nil {
			t.Skip(err)
		}
		p := page{text: string(text)}
		got, err := p.decode()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want struct {
			Scroll string `json:"_scroll_id"`
			Hits   struct {
				Hits []hit `json:"hits"`
			} `json:"hits"`
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if p.scroll() != want.Scroll || !p.more(1) || p.more(2) || got.shards != 3 || got.successful != 2 ||
			got.total != 2 || len(got.products) != 2 {
			t.Errorf("%s is decoded as %+v, want 2 products from 2 of 3 shards", text, got)
		}
		for i, p := range got.products {
			if h := want.Hits.Hits[i]; p.ID != h.ID || string(p.Body) != string(h.Source) {
				t.Errorf("%s: product %d is decoded as %q %s, want %q %s", text, i, p.ID, p.Body, h.ID, h.Source)
			}
		}
	})
}
