package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("s"), 32))

// receiver is a server that verifies events with the library of the specification.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	ids    []string
	events []event
	answer func(call int, w http.ResponseWriter)
}

type event struct {
	Type      string
	Timestamp time.Time
	Data      map[string]any
}

func receive(t *testing.T, answer func(call int, w http.ResponseWriter)) *receiver {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = verifier.Verify(body, req.Header)
		}
		var e event
		if err == nil {
			err = json.Unmarshal(body, &e) //nolint:musttag // names fit without their case
		}
		if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
			t.Errorf("the request with the header %v is not valid: %v", req.Header, err)
		}
		r.ids = append(r.ids, req.Header.Get("Webhook-Id"))
		r.events = append(r.events, e)
		if r.answer != nil {
			r.answer(len(r.events), w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// types returns the sorted types of the events that came.
func (r *receiver) types() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var types []string
	for _, e := range r.events {
		types = append(types, e.Type)
	}
	slices.Sort(types)
	return strings.Join(types, " ")
}

var quick = reindex.Retry{
	Attempts: 4, MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond, MaxRetryAfter: time.Millisecond,
}

// hook returns a hook and its log.
func hook(t *testing.T, cfg webhook.Config) (*webhook.Hook, *bytes.Buffer) {
	t.Helper()
	logged := &bytes.Buffer{}
	cfg.Secret, cfg.Logger = secret, slog.New(slog.NewTextHandler(logged, nil))
	if cfg.Retry == (reindex.Retry{}) {
		cfg.Retry = quick
	}
	h, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	return h, logged
}

// run reindexes acme from each source, with the hook, and waits until the events were sent.
func run(t *testing.T, h *webhook.Hook, sources ...reindex.Source) {
	t.Helper()
	for _, src := range sources {
		engine, err := reindex.New(src, reindextest.NewMemory(), &reindex.Config{Trace: h.Trace(nil)})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = engine.Run(t.Context(), "acme") // the tests check the events of a failed run
		if err := engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

var (
	good = reindextest.Slice(reindextest.Products(3, "1"))
	bad  = reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			yield(reindex.Product{}, errors.New("postgres://user:password@host-7 is away"))
		}
	})
	cancelled = reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) { yield(reindex.Product{}, reindex.ErrCancelled) }
	})
)

// Each end of a run is sent once, signed, without internal error texts.
func TestOutcomes(t *testing.T) {
	for want, outcomes := range map[string][]webhook.Outcome{
		"reindex.cancelled reindex.failed reindex.succeeded": nil,
		"reindex.failed":                      {webhook.Failed},
		"reindex.cancelled reindex.succeeded": {webhook.Succeeded, webhook.Cancelled},
	} {
		r := receive(t, nil)
		h, _ := hook(t, webhook.Config{URL: r.URL, AllowPrivate: true, Outcomes: outcomes})
		run(t, h, good, bad, cancelled)
		if got := r.types(); got != want {
			t.Errorf("got the events %s, want %s", got, want)
		}
		for _, e := range r.events {
			text := fmt.Sprint(e)
			if strings.Contains(text, "host-7") || e.Data["tenant"] != "acme" || e.Timestamp.IsZero() ||
				e.Type == "reindex.succeeded" && (e.Data["processedCount"] != 3.0 || e.Data["status"] != "SUCCESS") ||
				e.Type == "reindex.failed" && e.Data["message"] == "" {
				t.Errorf("the event %s is incomplete, or has an internal error", text)
			}
		}
	}
}

// An event shows whether the job was a reindex, a rollback, or a dry run, after which nothing new is live.
func TestModes(t *testing.T) {
	r := receive(t, nil)
	h, _ := hook(t, webhook.Config{URL: r.URL, AllowPrivate: true})
	index := reindextest.NewMemory()
	index.KeepPrevious = 1
	engine, err := reindex.New(good, index, &reindex.Config{Trace: h.Trace(nil)})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []reindex.Options{{}, {DryRun: true}, {}, {Rollback: true}, {Rollback: true, DryRun: true}} {
		if _, err := engine.RunWith(t.Context(), "acme", o); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(engine.Shutdown(t.Context()), h.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range r.events {
		got = append(got, fmt.Sprint(e.Data["dryRun"], " ", e.Data["mode"]))
	}
	slices.Sort(got)
	want := []string{"<nil> <nil>", "<nil> <nil>", "<nil> ROLLBACK", "true <nil>", "true ROLLBACK"}
	if !slices.Equal(got, want) {
		t.Errorf("the events have %q, want %q", got, want)
	}
}

// An event is sent again with the same id until it arrives, at most as often as Retry says.
func TestRetries(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(call int, w http.ResponseWriter)
		calls  int
		log    string
	}{
		"second time": {func(call int, w http.ResponseWriter) {
			if call == 1 {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}, 2, "an event was sent"},
		"never": {func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }, 4, "status 400"},
		"redirects": {
			func(_ int, w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) }, 4,
			"status 302",
		},
		"gone": {func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusGone) }, 1, "410"},
	} {
		r := receive(t, test.answer)
		h, logged := hook(t, webhook.Config{URL: r.URL + "/?token=s3cret", AllowPrivate: true})
		run(t, h, good)
		if len(r.ids) != test.calls || len(slices.Compact(slices.Clone(r.ids))) != 1 || !strings.HasPrefix(r.ids[0], "msg_") {
			t.Errorf("%s: got %d calls with the ids %q, want %d with the same id", name, len(r.ids), r.ids, test.calls)
		}
		if !strings.Contains(logged.String(), test.log) || strings.Contains(logged.String(), "s3cret") {
			t.Errorf("%s: the log lacks %q, or has a secret: %s", name, test.log, logged)
		}
	}
	r := receive(t, nil)
	r.Close()
	h, logged := hook(t, webhook.Config{URL: r.URL + "/?token=s3cret", AllowPrivate: true})
	run(t, h, good)
	text := logged.String()
	if !strings.Contains(text, "refused") || !strings.Contains(text, "attempts=4") || strings.Contains(text, "s3cret") {
		t.Errorf("no server listens: the log lacks the reason or the attempts, or has a secret: %s", text)
	}
}

// The hook does not connect to private addresses, in any notation.
func TestPrivateAddresses(t *testing.T) {
	r := receive(t, nil)
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	for _, url := range []string{
		"https://127.0.0.1" + port, "https://localhost" + port, "https://localhost", "https://[::1]", "https://10.0.0.1",
		"https://[::ffff:192.168.0.1]",
		"https://169.254.169.254/latest/meta-data", "https://0.0.0.0", "https://100.64.0.1", "https://[fe80::1]",
		"https://[fd00::1]",
	} {
		h, logged := hook(t, webhook.Config{URL: url})
		run(t, h, good)
		if text := logged.String(); !strings.Contains(text, "did not arrive") || !strings.Contains(text, "AllowPrivate") {
			t.Errorf("%s: the log does not name AllowPrivate: %s", url, text)
		}
	}
	if len(r.events) > 0 {
		t.Errorf("%d events came, want none", len(r.events))
	}
}

// A receiver that does not answer does not delay a run. Events that have not been sent when the context of Close ends
// are lost. Close and the log say so.
func TestSlowReceiver(t *testing.T) {
	held := make(chan struct{})
	var release sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-held:
		case <-req.Context().Done():
		}
	}))
	defer server.Close()
	defer release.Do(func() { close(held) })
	h, logged := hook(t, webhook.Config{URL: server.URL, AllowPrivate: true, Queue: 1})
	for range 10 {
		engine, err := reindex.New(good, reindextest.NewMemory(), &reindex.Config{Trace: h.Trace(nil)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Run(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
		if err := engine.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	dropped := strings.Count(logged.String(), "an event was dropped")
	want := fmt.Sprintf("%d events may not have arrived", 10-dropped)
	if err := h.Close(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
		t.Errorf("Close: got %v, want context.Canceled and %q", err, want)
	}
	if n := strings.Count(logged.String(), "an event did not arrive"); dropped == 0 || n+dropped != 10 {
		t.Errorf("%d events did not arrive and %d were dropped, want 10 together: %s", n, dropped, logged)
	}
	if err := h.Close(t.Context()); err == nil {
		t.Error("the second Close returns no error about the lost events")
	}
}

// Close waits until an event has arrived at a receiver that was busy.
func TestClose(t *testing.T) {
	r := receive(t, func(call int, w http.ResponseWriter) {
		if call < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	h, _ := hook(t, webhook.Config{URL: r.URL, AllowPrivate: true})
	engine, err := reindex.New(good, reindextest.NewMemory(), &reindex.Config{Trace: h.Trace(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(engine.Shutdown(t.Context()), h.Close(t.Context())); err != nil || len(r.ids) != 3 {
		t.Errorf("got %d requests, error %v, want 3", len(r.ids), err)
	}
}

// The hook also calls the functions of another trace.
func TestTraceOfAnother(t *testing.T) {
	r := receive(t, nil)
	h, _ := hook(t, webhook.Config{URL: r.URL, AllowPrivate: true})
	ended, changed := 0, 0
	trace := h.Trace(&reindex.Trace{
		JobEnded:   func(context.Context, reindex.Job, error) { ended++ },
		JobChanged: func(context.Context, reindex.Job, reindex.Status) { changed++ },
	})
	engine, err := reindex.New(good, reindextest.NewMemory(), &reindex.Config{Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Run(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(engine.Shutdown(t.Context()), h.Close(t.Context())); err != nil || ended != 1 ||
		changed == 0 || r.types() != "reindex.succeeded" {
		t.Errorf("got %d ends, %d changes and the events %q, error %v, want one end and its event",
			ended, changed, r.types(), err)
	}
}

func TestInvalid(t *testing.T) {
	for want, cfg := range map[string]webhook.Config{
		"an https URL":    {URL: "http://shop.example/s3cret", Secret: secret},
		"URL must":        {URL: "ftp://shop.example", Secret: secret, AllowPrivate: true},
		"credentials":     {URL: "https://user:s3cret@shop.example", Secret: secret},
		"Secret must":     {URL: "https://shop.example", Secret: "whsec_czNjcmV0"},
		"in base64":       {URL: "https://shop.example", Secret: "whsec_!" + secret},
		"Outcomes has":    {URL: "https://shop.example", Secret: secret, Outcomes: []webhook.Outcome{"lost"}},
		"may be negative": {URL: "https://shop.example", Secret: secret, Queue: -1},
	} {
		_, err := webhook.New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: got %v, want an error with %q and no secret", cfg, err, want)
		}
	}
}
