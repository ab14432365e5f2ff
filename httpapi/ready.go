package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Check returns an error unless something that a server needs, such as a database, is available. It must return when
// ctx ends.
type Check func(ctx context.Context) error

const (
	// checkTimeout is the time after which a check has failed.
	checkTimeout = 5 * time.Second
	// checkInterval is the time for which an answer is reused, so that many probes cost no more than one.
	checkInterval = time.Second
)

// isReady is the status of a check that succeeds, and of the server if all checks succeed.
const isReady = "ready"

// readiness is the body of an answer. It does not hold the reasons, which are logged.
type readiness struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
}

// Ready returns a handler for a probe such as /readyz. It answers 200 if every check succeeds, and 503 otherwise, with
// the names of the checks and whether they are ready. Callers need no token, and learn nothing else. The reasons go to
// the log, once for each change; a nil log discards them.
func Ready(log *slog.Logger, checks map[string]Check) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &prober{logger: log, checks: maps.Clone(checks), was: map[string]bool{}}
}

// prober makes one round of checks at a time.
type prober struct {
	logger *slog.Logger
	checks map[string]Check

	mu     sync.Mutex
	at     time.Time
	answer readiness
	was    map[string]bool // the checks that failed in the last round
}

// ServeHTTP answers a probe.
func (p *prober) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := p.look(context.WithoutCancel(r.Context()))
	status := http.StatusOK
	if answer.Status != isReady {
		status = http.StatusServiceUnavailable
	}
	_, _ = jsonResponse(status, answer).write(w, r.Method, requestID(r.Header)) // the client has gone
}

// look returns the last answer if it is recent. Otherwise it makes the checks again.
func (p *prober) look(ctx context.Context) readiness {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) < checkInterval {
		return p.answer
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answer := readiness{Status: isReady, Checks: map[string]string{}}
	for name, err := range p.run(ctx) {
		answer.Checks[name] = isReady
		if err != nil {
			answer.Status, answer.Checks[name] = "not ready", "not ready"
		}
		p.note(ctx, name, err)
	}
	p.at, p.answer = time.Now(), answer
	return answer
}

// run makes all checks at the same time. A check that does not return in time has failed.
func (p *prober) run(ctx context.Context) map[string]error {
	type outcome struct {
		name string
		err  error
	}
	outcomes := make(chan outcome, len(p.checks))
	for name, check := range p.checks {
		go func() {
			err := errors.New("the check ended its goroutine without a result")
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("panic: %v", v)
				}
				outcomes <- outcome{name, err}
			}()
			err = check(ctx)
		}()
	}
	found := map[string]error{}
	for range p.checks {
		select {
		case o := <-outcomes:
			found[o.name] = o.err
		case <-ctx.Done():
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.checks)) {
		if _, ok := found[name]; !ok {
			found[name] = ctx.Err()
		}
	}
	return found
}

// note logs the result of a check if it has changed.
func (p *prober) note(ctx context.Context, name string, err error) {
	if (err != nil) == p.was[name] {
		return
	}
	p.was[name] = err != nil
	if err != nil {
		p.logger.WarnContext(ctx, "httpapi: not ready", "check", name, "error", err)
	} else {
		p.logger.InfoContext(ctx, "httpapi: ready again", "check", name)
	}
}
