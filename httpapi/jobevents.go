package httpapi

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// MessageTooManyStreams is the message of the 400 that tells that Config.MaxStreams event streams are open already. Its header
// Retry-After has a number of seconds after which to try again.
const MessageTooManyStreams = "Too many event streams"

// streamWait is the Retry-After of an event stream too many.
const streamWait = 5 * time.Second

// jobEvents is GET /indexing/{tenant}/reindex-jobs/{id}/events.
func (h *handler) jobEvents(c *call) (response, error) {
	e, job, err := h.lookUp(c)
	if err != nil {
		return response{}, err
	}
	last := c.r.Header.Get("Last-Event-ID")
	if job.Status.Ended() && last == eventID(job) {
		return response{status: http.StatusNoContent}, nil // which tells an EventSource not to come back
	}
	res := response{status: http.StatusOK, header: map[string]string{
		"Content-Type":      "text/event-stream",
		"X-Accel-Buffering": "no", // or nginx would hold events back
	}}
	if c.r.ProtoMajor == 1 {
		res.header["Connection"] = "close" // its deadlines end with the stream
	}
	if c.r.Method == http.MethodHead {
		return res, nil
	}
	select {
	case h.streams <- struct{}{}:
	default:
		return response{}, tooManyStreams()
	}
	res.stream = func(w http.ResponseWriter) (int64, error) {
		defer func() { <-h.streams }()
		s := &eventStream{cfg: &h.cfg, w: w, control: http.NewResponseController(w), last: last}
		err := s.run(c.r.Context(), e.Watch, c.tenant, job.ID)
		if s.failure != nil {
			h.logFailure(c.r.Context(), c, "following the job failed", s.failure.Error())
		}
		return s.sent, err
	}
	return res, nil
}

func tooManyStreams() error {
	p := invalid(MessageTooManyStreams, "Try again later, or look the job up from time to time")
	p.retryAfter = streamWait
	return p
}

// eventID names a state of a job that an event has told of. Two states of one name look the same but for the time.
func eventID(job reindex.Job) string {
	expected := ""
	if job.Expected >= 0 {
		expected = strconv.FormatInt(job.Expected, 10)
	}
	return fmt.Sprintf("%s-%d-%s", job.Status, job.Processed, expected)
}

// eventView is the schema ReindexJobEvent.
type eventView struct {
	jobquery.View

	Progress         *float64 `json:"progress,omitempty"`
	RemainingSeconds *int64   `json:"remainingSeconds,omitempty"`
}

func viewEvent(job reindex.Job) eventView {
	v := eventView{View: jobquery.Show(&jobquery.Job{Record: job})}
	if fraction, known := job.Fraction(); known {
		fraction = math.Floor(fraction*1e4) / 1e4 // 1 is all of it
		v.Progress = &fraction
	}
	if left, known := job.Remaining(); known {
		seconds := int64(math.Ceil(max(0, left.Seconds()))) // clocks may be set back
		v.RemainingSeconds = &seconds
	}
	return v
}

// event is one event in the format of the HTML standard, section 9.2.
func event(job reindex.Job) ([]byte, error) {
	data, err := json.Marshal(viewEvent(job))
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "id: %s\ndata: %s\n\n", eventID(job), data), nil
}
