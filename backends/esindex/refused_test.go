package esindex

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"productindex/backends/esindex/internal/estest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// If a firewall refuses the text of one product, only that product is rejected.
func TestFirewall(t *testing.T) {
	server := estest.Plain(t)
	for _, test := range []struct {
		name   string
		status int
		page   string
	}{
		{"forbidden", http.StatusForbidden, "<html>Request blocked</html>"},
		{"not acceptable", http.StatusNotAcceptable, "<html>Request blocked</html>"},
		{"a page with 200", http.StatusOK, "<html>Request blocked</html>"},
		{"empty", http.StatusForbidden, ""},
		{"bad gateway", http.StatusBadGateway, "<html>Bad gateway</html>"},
		{"internal error", http.StatusInternalServerError, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			wall := firewall{word: "<script>", status: test.status, page: test.page, next: wire(t)}
			ix := openOn(t, server.Transport(t, withTransport(wall)), nil)
			products := reindextest.Products(40, "1")
			products[17] = reindextest.NewProduct("bad", map[string]any{"rev": "1", "name": "<script>alert(1)</script>"})
			products[17].Body = []byte(strings.ReplaceAll(string(products[17].Body), `\u003c`, "<"))
			products[17].Body = []byte(strings.ReplaceAll(string(products[17].Body), `\u003e`, ">"))
			engine, err := reindex.New(reindextest.Slice(products), ix, &reindex.Config{
				MaxRejected: 1, Retry: reindex.Retry{MinDelay: time.Millisecond, MaxDelay: time.Millisecond},
			})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), acme)
			if err != nil || report.Indexed != 39 || report.Rejected != 1 || report.Rejections[0].ID != "bad" {
				t.Fatalf("indexed %d, rejected %v, error %v, want only bad rejected", report.Indexed, report.Rejections, err)
			}
			const want = "the product was refused by something in front of the index"
			if reason := report.Rejections[0].Reason; !strings.HasPrefix(reason, want) {
				t.Errorf("the reason is %q, want %q", reason, want)
			}
		})
	}
}

// If every request is refused on the way, the run fails without rejecting products.
func TestFirewallRefusesAll(t *testing.T) {
	server := estest.Plain(t)
	wall := firewall{word: `"_id"`, status: http.StatusForbidden, page: "<html>Request blocked</html>", next: wire(t)}
	ix := openOn(t, server.Transport(t, withTransport(wall)), nil)
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(40, "1")), ix, &reindex.Config{MaxRejected: -1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err == nil || report.Rejected > 0 || report.Retries > 0 || !strings.Contains(err.Error(), "403") {
		t.Errorf("rejected %d, %d retries, error %v, want none and an error with 403", report.Rejected, report.Retries, err)
	}
	assertIndexes(t, ix)
}

// If a gateway refuses every request, since its server is down, the errors are temporary, and no product is rejected.
func TestGatewayRefusesAll(t *testing.T) {
	server := estest.Plain(t)
	wall := firewall{word: `"_id"`, status: http.StatusBadGateway, page: "<html>Bad gateway</html>", next: wire(t)}
	ix := openOn(t, server.Transport(t, withTransport(wall)), nil)
	g := openOn(t, server.Transport(t), func(c *Config) { c.Prefix = ix.cfg.Prefix })
	generation := begin(t, g)
	generation.ix = ix
	for range 2 * patience {
		err := generation.Write(t.Context(), reindextest.Products(3, "1"))
		if !isTemporary(err) || errors.Is(err, reindex.ErrRefused) {
			t.Fatalf("write: error %v, want a temporary one", err)
		}
	}
}

// The products of a request are blamed only if a gateway refuses the same request several times in a row.
func TestRefusalsInARow(t *testing.T) {
	w := writer{ix: &Index{}, index: "x"}
	products := reindextest.Products(3, "1")
	gateway := &ServerError{Status: http.StatusBadGateway}
	server := &ServerError{Status: http.StatusServiceUnavailable, Type: "x"}
	for range 3 {
		for range patience - 1 {
			if w.refusedOnTheWay(products, gateway) {
				t.Fatalf("the products are blamed before %d refusals", patience)
			}
		}
		if w.refusedOnTheWay(products, server) || w.refusedOnTheWay(products[1:], gateway) {
			t.Fatal("the products are blamed for an error of the server, or for the refusals of another request")
		}
		w.refusedOnTheWay(products[1:], nil)
	}
	for range patience - 1 {
		w.refusedOnTheWay(products, gateway)
	}
	if !w.refusedOnTheWay(products, gateway) {
		t.Errorf("the products are not blamed after %d refusals", patience)
	}
	for i := range 2 * maxRefusals {
		w.ix.refusals.add(fmt.Sprint(i))
	}
	if n := len(w.ix.refusals.counts); n > maxRefusals {
		t.Errorf("the refusals of %d requests are kept, want at most %d", n, maxRefusals)
	}
}

// An error is temporary only if waiting can help.
func TestTransportErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, test := range []struct {
		name      string
		given     answers
		temporary bool
	}{
		{"product check", answers{err: errors.New("the client noticed that the server is not Elasticsearch " +
			"and we do not support this unknown product")}, false},
		{"scheme", answers{err: &url.Error{Op: "Get", URL: "x", Err: errors.New("unsupported protocol scheme")}}, false},
		{"plain HTTP", answers{err: errors.New("http: server gave HTTP response to HTTPS client")}, false},
		{"alert of TLS", answers{err: &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}}, false},
		{"a page", answers{status: 200, body: "<html><title>Welcome</title></html>"}, false},
		{"refused", answers{err: refused}, true},
		{"refused, in a client", answers{err: &url.Error{Op: "Get", URL: "x", Err: refused}}, true},
		{"cut off", answers{err: fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)}, true},
		{"nothing", answers{status: 200}, true},
		{"cut JSON", answers{status: 200, body: `{"a":`}, true},
		{"closed", answers{err: errors.New("http: server closed idle connection")}, true},
		{"HTTP/2", answers{err: errors.New("http2: client connection lost")}, true},
		{"marked by the host", answers{err: reindex.Temporary(errors.New("no token yet"))}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ix, err := New(test.given, nil)
			if err != nil {
				t.Fatal(err)
			}
			calls := map[string]func() error{
				"begin":    func() error { _, err := ix.Begin(t.Context(), acme); return err },
				"count":    func() error { _, err := ix.DocCount(t.Context(), acme); return err },
				"delete":   func() error { return ix.remove(t.Context(), "x", "test") },
				"write":    func() error { return writeThrough(t, test.given) },
				"rollback": func() error { return rollback(t, ix) },
			}
			for name, call := range calls {
				err := call()
				if err == nil || isTemporary(err) != test.temporary {
					t.Errorf("%s: error %v, want a temporary one: %v", name, err, test.temporary)
				}
			}
		})
	}
}

// A product that is nested too deeply is rejected before it reaches the server.
func TestNesting(t *testing.T) {
	ix := open(t, nil)
	nested := func(levels int, opening, closing string) []byte {
		return []byte(`{"rev":"1","d":` + strings.Repeat(opening, levels-1) + `1` + strings.Repeat(closing, levels-1) + `}`)
	}
	products := reindextest.Slice{
		{ID: "flat", Body: []byte(`{"rev":"1","d":"` + strings.Repeat(`[{\"`, 2000) + `"}`)},
		{ID: "wide", Body: []byte(`{"rev":"1","d":[` + strings.Repeat(`{"a":[]},`, 300) + `{}]}`)},
		{ID: "lists", Body: nested(maxNesting, "[", "]")},
		{ID: "deep lists", Body: nested(maxNesting+1, "[", "]")},
		{ID: "deep", Body: nested(maxNesting+1, `{"x":`, "}")},
		{ID: "deeper", Body: nested(1200, `{"x":`, "}")},
		{ID: "deepest", Body: nested(9000, `[`, "]")},
	}
	engine, err := reindex.New(products, ix, &reindex.Config{MaxRejected: -1})
	if err != nil {
		t.Fatal(err)
	}
	report, err := engine.Run(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	want := int64(4)
	for _, r := range report.Rejections {
		switch {
		case strings.HasPrefix(r.ID, "deep") && strings.Contains(r.Reason, "100 levels"):
		case r.ID == "lists" && strings.Contains(r.Reason, "index.mapping.depth.limit"):
			want++ // OpenSearch 3 has a limit of its own
		default:
			t.Errorf("product %s is rejected: %s", r.ID, r.Reason)
		}
	}
	if report.Rejected != want || report.Indexed != 7-want {
		t.Errorf("indexed %d, rejected %d, want %d and %d", report.Indexed, report.Rejected, 7-want, want)
	}
}

func FuzzDeeperThan(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"[[[\"{{{"}]}`), 3)
	f.Add([]byte(`{"a":"\\"}`), 1)
	f.Fuzz(func(t *testing.T, text []byte, levels int) {
		if levels < 0 || levels > 50 {
			t.Skip("not a limit")
		}
		want, ok := depth(text)
		if !ok {
			t.Skip("not JSON")
		}
		if got := deeperThan(text, levels); got != (want > levels) {
			t.Errorf("%s is deeper than %d: %v, want its depth to be %d", text, levels, got, want)
		}
	})
}
