package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"productindex/httpapi/internal/jobquery"
)

// MessageTooManyStreams is the message of the 400 for an event stream beyond Config.MaxStreams. Its header
// Retry-After has a number of seconds after which to try again.
const MessageTooManyStreams = "Too many event streams"

// streamWait is the Retry-After for an event stream beyond the limit.
const streamWait = 5 * time.Second

// jobEvents is GET /indexing/{tenant}/reindex-jobs/{id}/events.
func (h *handler) jobEvents(c *call) (response, error) {
	e, job, err := h.lookUp(c)
	if err != nil {
		return response{}, err
	}
	last := c.r.Header.Get("Last-Event-ID")
	if job.Status.Ended() && last == eventID(h.engines.shown(job)) {
		return response{status: http.StatusNoContent}, nil // after which an EventSource does not come back
	}
	res := response{status: http.StatusOK, header: map[string]string{
		"Content-Type":      "text/event-stream",
		"X-Accel-Buffering": "no", // otherwise nginx would hold events back
	}}
	if c.r.ProtoMajor == 1 {
		res.header["Connection"] = "close" // its deadlines end with the stream
	}
	if c.r.Method == http.MethodHead {
		return res, nil
	}
	if !canFlush(c.w) {
		h.logFailure(c.r.Context(), c, "following the job failed", errCannotFlush.Error())
		res.body, err = onceText(h.engines.shown(job), last)
		return res, err
	}
	slot, err := h.streams.take(c.tenant)
	if err != nil {
		return response{}, err
	}
	res.stream = func(w http.ResponseWriter) (int64, error) {
		defer h.streams.release(slot)
		states, leave := h.feeds.join(c.r.Context(), e.Watch, c.tenant, job.ID)
		defer leave()
		s := &eventStream{
			cfg:     &h.cfg,
			w:       w,
			control: http.NewResponseController(w),
			last:    last,
			taken:   slot.ended,
			shown:   h.engines.shown,
		}
		err := s.run(c.r.Context(), states, job)
		if s.failure != nil {
			h.logFailure(c.r.Context(), c, "following the job failed", s.failure.Error())
		}
		return s.sent, err
	}
	return res, nil
}

// onceText returns the whole stream for a client to which nothing can be sent during the job: the state, unless the
// client knows it, and the time after which to come back.
func onceText(job jobquery.Job, last string) ([]byte, error) {
	if eventID(job) == last {
		return []byte(reconnectLater), nil
	}
	text, err := event(job)
	return append([]byte(reconnectLater), text...), err
}

// eventID identifies the state of a job in an event. Two states with one id differ at most in their times.
func eventID(job jobquery.Job) string {
	v := jobquery.Show(job)
	parts := []string{v.Status, v.Phase}
	for _, n := range []*int64{
		v.ReadCount, v.ProcessedCount, v.RejectedCount, v.DuplicateCount, v.ConflictCount, v.ChangesApplied,
		v.ChangesRefused, v.ExpectedCount,
	} {
		if n != nil {
			parts = append(parts, strconv.FormatInt(*n, 10))
		}
	}
	if retries := job.Record.Report.Retries; retries > 0 { // the only change while an index is overloaded
		parts = append(parts, "r"+strconv.FormatInt(retries, 10))
	}
	return strings.Join(parts, ".")
}

// eventView is the schema ReindexJobEvent.
type eventView struct {
	jobquery.View

	Progress         *float64 `json:"progress,omitempty"`
	RemainingSeconds *int64   `json:"remainingSeconds,omitempty"`
	ReadBytes        int64    `json:"readBytes"`
	BatchCount       int64    `json:"batchCount"`
	RetryCount       int64    `json:"retryCount"`
	Concurrency      int64    `json:"concurrency,omitempty"`
	BatchBytes       int64    `json:"batchBytes,omitempty"`
}

func viewEvent(shown jobquery.Job) eventView {
	job := &shown.Record
	v := eventView{
		View: jobquery.Show(
			shown,
		),
		ReadBytes:   job.Report.Bytes,
		BatchCount:  job.Report.Batches,
		RetryCount:  job.Report.Retries,
		Concurrency: job.InFlight,
		BatchBytes:  job.BatchBytes,
	}
	if fraction, known := job.Fraction(); known {
		fraction = math.Floor(fraction*1e4) / 1e4 // rounded down, so that only a complete job has 1
		v.Progress = &fraction
	}
	if left, known := job.Remaining(); known {
		seconds := int64(math.Ceil(max(0, left.Seconds()))) // clocks may be set back
		v.RemainingSeconds = &seconds
	}
	return v
}

// event is one event in the format of the HTML standard, section 9.2.
func event(job jobquery.Job) ([]byte, error) {
	data, err := json.Marshal(viewEvent(job))
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "id: %s\ndata: %s\n\n", eventID(job), data), nil
}
