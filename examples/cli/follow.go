package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/tmaxmax/go-sse"
	"golang.org/x/term"

	"productindex/httpapi"
)

// follow shows a job's progress until it has ended.
func (a *app) follow(ctx context.Context, args []string) error {
	rest, err := a.only(1, a.newFlags("follow"), args)
	if err != nil {
		return err
	}
	return a.followJob(ctx, rest[0])
}

// followJob shows the job's progress from its events. It returns an error if the job fails.
func (a *app) followJob(ctx context.Context, id string) error {
	show, end := a.lines(), func() {}
	if isTerminal(a.note) {
		show, end = a.bar()
	}
	last, err := a.events(ctx, id, show)
	end()
	if err != nil {
		return err
	}
	if last.Status != "SUCCESS" {
		return fmt.Errorf("job %s ended as %s: %s", id, last.Status, last.Message)
	}
	note := ""
	if last.DryRun {
		note = "; this was a dry run, and the live index has not changed"
	}
	outcome := last.outcome()
	if last.Mode == modeRollback {
		outcome = "the previous index is complete and has all changes"
	}
	fmt.Fprintf(a.out, "SUCCESS: %s%s\n", outcome, note)
	return nil
}

// isTerminal reports whether w is a terminal, on which a bar can be drawn.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// lines returns a function that prints a line each time that the job enters another phase.
func (a *app) lines() func(job) {
	last := ""
	return func(j job) {
		if state := strings.ToLower(j.state()); state != last {
			last = state
			fmt.Fprintf(a.note, "%s: %s\n", state, j.outcome())
		}
	}
}

// bar returns a function that draws the job as a bar, and a function that ends the bar's line.
func (a *app) bar() (show func(job), end func()) {
	bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(a.note), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(40), progressbar.OptionSetPredictTime(false))
	return func(j job) { move(bar, j) }, func() { fmt.Fprintln(a.note) }
}

// move moves the bar to the progress of the job.
func move(bar *progressbar.ProgressBar, j job) {
	text := strings.ToLower(j.state())
	if j.RemainingSeconds != nil && !j.ended() {
		text += fmt.Sprintf(", %v left", time.Duration(*j.RemainingSeconds)*time.Second)
	}
	done := j.Indexed + j.Rejected + j.Duplicates
	most := max(1, done) // the expected number is not always known, and can be too low
	if j.Expected != nil {
		most = max(most, *j.Expected)
	}
	bar.ChangeMax64(most)
	bar.Describe(text)
	_ = bar.Set64(done) // the job goes on if the bar cannot be drawn
}

// events calls show with every state of a job that the server sends, and returns the last state. If the connection
// breaks, it connects again and continues after the last event.
func (c *client) events(ctx context.Context, id string, show func(job)) (last job, err error) {
	request, err := c.request(ctx, http.MethodGet, jobPath(id)+"/events", nil)
	if err != nil {
		return last, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stream := sse.Client{
		HTTPClient: &http.Client{Transport: eventTransport{stop}},
		Backoff:    sse.Backoff{InitialInterval: time.Second, MaxInterval: 10 * time.Second, MaxRetries: 20}, // in a row
	}
	connection := stream.NewConnection(request.WithContext(ctx))
	connection.SubscribeMessages(func(event sse.Event) {
		if event.Data == "" {
			return // not an event by the HTML standard, but the library yields it
		}
		var j job // a new one, since fields that an event lacks no longer exist
		if err := json.Unmarshal([]byte(event.Data), &j); err != nil {
			stop(fmt.Errorf("an event is not one of a reindex job; check -url: %w", err))
			return
		}
		last = j
		if show(last); last.ended() {
			stop(nil)
		}
	})
	err = connection.Connect()
	if last.ended() {
		return last, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return last, cause
	}
	return last, fmt.Errorf("following job %s: %w", id, err)
}

// eventTransport turns error answers into errors, after which the library connects again. It calls stop with an error
// that would not go away.
type eventTransport struct{ stop context.CancelCauseFunc }

func (t eventTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || response.StatusCode < http.StatusBadRequest {
		return response, err
	}
	defer response.Body.Close()
	said := answerError(response)
	if response.StatusCode < http.StatusInternalServerError && said.message != httpapi.MessageUnavailable &&
		said.message != httpapi.MessageTooManyStreams {
		t.stop(said)
	}
	return nil, said
}
