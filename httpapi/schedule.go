package httpapi

import (
	"net/http"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex/schedule"
)

// Schedule holds the times at which tenants are reindexed. [*schedule.Scheduler] implements it.
type Schedule interface {
	// Of returns the tenant's entries with their states. It may be called concurrently.
	Of(tenant string) []schedule.Status
}

// scheduleRoutes are served if there is a Config.Schedule.
var scheduleRoutes = []route{
	{"/indexing/{tenant}/schedule", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).getSchedule},
	}},
}

// scheduledView is the schema ScheduledReindex.
type scheduledView struct {
	Cron          string `json:"cron"`
	TimeZone      string `json:"timeZone"`
	JitterSeconds int64  `json:"jitterSeconds"`
	NextAt        string `json:"nextAt,omitempty"`
	LastAt        string `json:"lastAt,omitempty"`
	JobID         string `json:"jobId,omitempty"`
	MissedCount   int64  `json:"missedCount"`
	LastMissedAt  string `json:"lastMissedAt,omitempty"`
}

// getSchedule is GET /indexing/{tenant}/schedule.
func (h *handler) getSchedule(c *call) (response, error) {
	views := []scheduledView{}
	for _, status := range h.cfg.Schedule.Of(c.tenant) {
		views = append(views, viewScheduled(status))
	}
	return jsonResponse(http.StatusOK, views), nil
}

func viewScheduled(s schedule.Status) scheduledView {
	view := scheduledView{
		Cron:          s.Cron,
		TimeZone:      time.UTC.String(),
		JitterSeconds: int64(s.Jitter.Round(time.Second) / time.Second),
		NextAt:        timeOrNone(s.Next),
		LastAt:        timeOrNone(s.Last),
		JobID:         s.Job,
		MissedCount:   s.Missed,
		LastMissedAt:  timeOrNone(s.LastMissed),
	}
	if s.Location != nil {
		view.TimeZone = s.Location.String()
	}
	return view
}

// timeOrNone returns a time in the format of responses, or an empty text if it is zero.
func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return jobquery.Timestamp(t)
}
