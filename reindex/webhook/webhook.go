// Package webhook sends a signed request to a URL when a job has ended, as the specification Standard Webhooks
// describes it. Thus people and programs learn of the end without polling.
//
//	hook, err := webhook.New(webhook.Config{
//		URL: "https://hooks.shop.example/reindex", Secret: secret, Outcomes: []webhook.Outcome{webhook.Failed},
//	})
//	...
//	engine, err := reindex.New(src, index, &reindex.Config{Trace: hook.Trace(nil)})
//	...
//	err = hook.Close(ctx) // after the engine's Shutdown
//
// An event is sent again until it is answered with a status of success or with 410, or was tried as often as
// Config.Retry says. It has the same webhook-id each time, by which a receiver can recognize it. Redirects are not
// followed, and count as failures.
//
// The data of an event is the job, with the names that its JSON has in package httpapi. For a dry run dryRun is true,
// and for a rollback mode is ROLLBACK; otherwise they are missing.
//
// Events are kept in memory. A process that is shut down waits for them in [Hook.Close]. A process that dies loses
// them. The jobs that it was running also end without an event, since only the job store finds that their leases have
// expired; it lists them as failed. Alerts such as ReindexOverdue and ReindexStalled of examples/deploy, on the metrics
// of package reindexotel, watch for such jobs.
package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"productindex/reindex"
)

// Outcome is how a job ended.
type Outcome string

// The outcomes of jobs. They are the last part of an event's type, such as reindex.failed.
const (
	// Succeeded means that the new index is live, or, if dryRun is true in the event, that it could have gone live.
	Succeeded Outcome = "succeeded"
	// Failed means that the job failed.
	Failed Outcome = "failed"
	// Cancelled means that somebody cancelled the job, or that the engine was shut down.
	Cancelled Outcome = "cancelled"
)

// Config configures a [Hook]. URL and Secret are required.
type Config struct {
	// URL receives the events, by POST. It is an https URL, or an http one if AllowPrivate is set.
	URL string
	// Secret is the key of the signatures, which receivers also have: at least 24 random bytes in base64, with the prefix
	// whsec_.
	Secret string
	// Outcomes selects the jobs whose end is sent, by their outcomes. Nil selects all.
	Outcomes []Outcome
	// AllowPrivate allows private addresses, this machine, http and any port for URL. Without it, only port 443 of a
	// public address is allowed. The address is checked after the name was resolved.
	AllowPrivate bool

	// Timeout is how long a request may take. Default 15 s.
	Timeout time.Duration
	// Retry says how often an event is sent, and how long the hook waits in between. Default: 10 attempts, with waits from
	// 5 s to 10 min.
	Retry reindex.Retry
	// Queue is the number of events that may wait to be sent. Further events are dropped and logged. Default 1000.
	Queue int
	// Logger receives the log records. Nil discards them.
	Logger *slog.Logger
}

const (
	defaultTimeout = 15 * time.Second
	defaultQueue   = 1000
	// senders is the number of events that are sent at the same time.
	senders = 4
	// maxAnswer is how much of an answer is read, in bytes.
	maxAnswer = 64 << 10
	// minSecret is the length of the shortest secret, in bytes.
	minSecret = 24
)

// Hook sends events. It is safe for concurrent use.
type Hook struct {
	cfg    Config
	signer *standardwebhooks.Webhook
	client *http.Client

	ctx    context.Context //nolint:containedctx // of the senders: it ends with the hook
	cancel context.CancelFunc
	done   sync.WaitGroup
	cut    atomic.Int64 // events that were waiting, or being sent, when ctx ended

	mu     sync.Mutex
	closed bool
	events chan event
}

// event is a request to be sent.
type event struct {
	id, tenant string
	at         time.Time
	body       []byte
}

// New returns a hook, which the caller must close. The error names every setting that is not valid.
func New(cfg Config) (*Hook, error) {
	signer, err := cfg.check()
	if err != nil {
		return nil, fmt.Errorf("webhook: invalid config: %w", err)
	}
	h := &Hook{cfg: cfg.withDefaults(), signer: signer, client: cfg.client()}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.client.Timeout = h.cfg.Timeout
	h.events = make(chan event, h.cfg.Queue)
	for range senders {
		h.done.Go(func() {
			for e := range h.events {
				h.deliver(e)
			}
		})
	}
	return h, nil
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Queue == 0 {
		c.Queue = defaultQueue
	}
	if c.Retry == (reindex.Retry{}) {
		c.Retry = reindex.Retry{Attempts: 10, MinDelay: 5 * time.Second, MaxDelay: 10 * time.Minute}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() (*standardwebhooks.Webhook, error) {
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !c.AllowPrivate):
		errs = append(errs, errors.New("URL must be an https URL")) // without its text, which can hold secrets
	case u.User != nil:
		errs = append(errs, errors.New("URL must not have credentials"))
	}
	signer, err := standardwebhooks.NewWebhook(c.Secret)
	if encoded := len(c.Secret) - len("whsec_"); err != nil || encoded < (minSecret+2)/3*4 {
		//nolint:staticcheck // a field's name
		errs = append(errs, fmt.Errorf("Secret must be whsec_ followed by at least %d bytes in base64", minSecret))
	}
	for _, o := range c.Outcomes {
		if o != Succeeded && o != Failed && o != Cancelled {
			errs = append(errs, fmt.Errorf("Outcomes has %q, which is unknown", o)) //nolint:staticcheck // a field's name
		}
	}
	if c.Timeout < 0 || c.Queue < 0 {
		errs = append(errs, errors.New("neither Timeout nor Queue may be negative"))
	}
	return signer, errors.Join(errs...)
}

// client returns a client that connects only to allowed addresses and follows no redirects. It uses no proxy, since a
// proxy would connect to other addresses.
func (c Config) client() *http.Client {
	dialer := &net.Dialer{Timeout: defaultTimeout}
	if !c.AllowPrivate {
		dialer.Control = ssrf.New(ssrf.WithPorts(443)).Safe // checks the address after the name was resolved
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: defaultTimeout,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close accepts no more events, and waits until each event that it has is sent or given up. If ctx ends first, the
// error says how many events may not have arrived; the log names them.
func (h *Hook) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.events)
	}
	h.mu.Unlock()
	stop := context.AfterFunc(ctx, h.cancel)
	h.done.Wait()
	h.client.CloseIdleConnections()
	stop()
	h.cancel()
	if n := h.cut.Load(); n > 0 {
		return fmt.Errorf("webhook: %d events may not have arrived: %w", n, cmp.Or(context.Cause(ctx), context.Canceled))
	}
	return nil
}

// Trace returns a trace that sends an event at the end of each job and calls the functions of next, which may be nil.
func (h *Hook) Trace(next *reindex.Trace) *reindex.Trace {
	var t reindex.Trace
	if next != nil {
		t = *next
	}
	inner := t.JobEnded
	t.JobEnded = func(ctx context.Context, job reindex.Job, err error) {
		if inner != nil {
			defer inner(ctx, job, err)
		}
		h.send(ctx, job, err)
	}
	return &t
}

func outcomeOf(job reindex.Job, err error) Outcome {
	switch {
	case job.Status == reindex.StatusSuccess:
		return Succeeded
	case errors.Is(err, reindex.ErrCancelled), errors.Is(err, reindex.ErrShutdown), errors.Is(err, context.Canceled):
		return Cancelled
	}
	return Failed
}

// send queues the event for the end of a job.
func (h *Hook) send(ctx context.Context, job reindex.Job, err error) {
	outcome := outcomeOf(job, err)
	if len(h.cfg.Outcomes) > 0 && !slices.Contains(h.cfg.Outcomes, outcome) {
		return
	}
	e, err := newEvent(job, outcome)
	if err != nil {
		h.cfg.Logger.ErrorContext(ctx, "webhook: an event cannot be encoded",
			"tenant", job.Tenant, "job", job.ID, "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		select {
		case h.events <- e:
			return
		default:
		}
	}
	h.cfg.Logger.ErrorContext(ctx, "webhook: an event was dropped",
		"tenant", job.Tenant, "job", job.ID, "closed", h.closed)
}
