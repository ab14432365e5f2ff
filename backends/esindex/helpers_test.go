package esindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// inCI reports whether the tests run in CI, where long tests also run.
func inCI() bool { return os.Getenv("CI") == "true" }

// onlyInCI skips a test that starts a server of its own.
func onlyInCI(t *testing.T) {
	t.Helper()
	if !inCI() {
		t.Skip("a test that starts a server of its own runs only in CI")
	}
}

func withTransport(rt http.RoundTripper) elastictransport.Option {
	return elastictransport.WithTransport(rt)
}

// wire returns a transport to the server whose connections are closed at the end of the test.
func wire(t *testing.T) *http.Transport {
	t.Helper()
	rt := &http.Transport{}
	t.Cleanup(rt.CloseIdleConnections)
	return rt
}

// refusing is a transport to the server that refuses the requests of one path, as a server does if a privilege is
// missing.
type refusing struct {
	path string
	next http.RoundTripper
}

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(req.URL.Path, r.path) {
		return refuse(req, http.StatusForbidden, `{"error":{"type":"security_exception","reason":"injected"},"status":403}`)
	}
	return r.next.RoundTrip(req)
}

// firewall is a transport to the server. It answers a request itself if the request contains a word, as a firewall
// does.
type firewall struct {
	word   string
	status int
	page   string
	next   http.RoundTripper
}

func (f firewall) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return f.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(body, []byte(f.word)) {
		return refuse(req, f.status, f.page)
	}
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	return f.next.RoundTrip(again)
}

// journal records the log.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// says reports whether a line of the log has all of the words.
func (j *journal) says(words ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.text.String()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return true
		}
	}
	return false
}

// depth returns the depth of the arrays and objects in a JSON text. It reports false if the text is not JSON.
func depth(text []byte) (int, bool) {
	if !json.Valid(text) {
		return 0, false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	now, most := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return most, errors.Is(err, io.EOF)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			now++
			most = max(most, now)
		case json.Delim('}'), json.Delim(']'):
			now--
		}
	}
}

// rollback rolls back to the latest replaced generation.
func rollback(t *testing.T, ix *Index) error {
	t.Helper()
	g, err := ix.Rollback(t.Context(), acme, "")
	if err != nil {
		return err
	}
	if _, err = g.Seal(t.Context()); err == nil {
		err = g.Commit(t.Context())
	}
	return errors.Join(err, g.Abort(t.Context()))
}

// assertKept checks the names of the kept indexes, from the one that was replaced last.
func assertKept(t *testing.T, ix *Index, want ...string) {
	t.Helper()
	kept, err := ix.kept(t.Context(), ix.names(acme))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range kept {
		got = append(got, k.index)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the kept indexes are %v, want %v", got, want)
	}
}
