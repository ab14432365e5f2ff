package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/tmaxmax/go-sse"

	"productindex/httpapi"
)

// follow shows a job's progress until it has ended.
func (a *app) follow(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return a.misused(nil)
	}
	return a.followJob(ctx, args[0])
}

// followJob reads the job's events and moves a bar. A job that failed is an error.
func (a *app) followJob(ctx context.Context, id string) error {
	bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(a.note), progressbar.OptionShowCount(), progressbar.OptionSetWidth(40),
		progressbar.OptionSetPredictTime(false))
	last, err := a.events(ctx, id, func(j job) { show(bar, j) })
	fmt.Fprintln(a.note)
	if err != nil {
		return err
	}
	if last.Status != "SUCCESS" {
		return fmt.Errorf("job %s ended as %s: %s", id, last.Status, last.Message)
	}
	fmt.Fprintf(a.out, "SUCCESS: %d products processed\n", last.Processed)
	return nil
}

// show moves the bar to where the job is.
func show(bar *progressbar.ProgressBar, j job) {
	text := strings.ToLower(j.Status)
	if j.RemainingSeconds != nil && !j.ended() {
		text += fmt.Sprintf(", %v left", time.Duration(*j.RemainingSeconds)*time.Second)
	}
	most := max(1, j.Processed) // what is expected is not always known, and may be too low
	if j.Expected != nil {
		most = max(most, *j.Expected)
	}
	bar.ChangeMax64(most)
	bar.Describe(text)
	_ = bar.Set64(j.Processed) // a bar that can not be drawn is no reason to stop
}

// events calls tell with every state of a job that the server tells of, and returns the last one: its end. Where the connection breaks
// it comes back, and goes on after the last event.
func (c *client) events(ctx context.Context, id string, tell func(job)) (last job, err error) {
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
			return // no event by the HTML standard; the library yields it
		}
		if err := json.Unmarshal([]byte(event.Data), &last); err != nil {
			stop(fmt.Errorf("an event that is none of a reindex job: %w", err))
			return
		}
		if tell(last); last.ended() {
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

// eventTransport makes an error of every answer that is an error, after which the library comes back; stop is called with one that is for
// good.
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
