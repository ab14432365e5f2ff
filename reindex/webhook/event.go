package webhook

import (
	"encoding/json"
	"time"

	"productindex/reindex"
)

// payload is the body of a request as Standard Webhooks defines it: a type, a time, and data.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

// data is the job as callers of an API see it.
type data struct {
	ID         string    `json:"id"`
	Tenant     string    `json:"tenant"`
	EntityType string    `json:"entityType"`
	DryRun     bool      `json:"dryRun,omitempty"`
	Mode       string    `json:"mode,omitempty"` // modeRollback, or empty
	Status     string    `json:"status"`
	Message    string    `json:"message,omitempty"`
	CreatedAt  time.Time `json:"createdAt"`
	EndedAt    time.Time `json:"endedAt"`
	Read       int64     `json:"readCount"`
	Indexed    int64     `json:"processedCount"`
	Rejected   int64     `json:"rejectedCount"`
	Duplicates int64     `json:"duplicateCount"`
	Seconds    float64   `json:"durationSeconds"`
}

// modeRollback marks a job that went back to an index that was live before.
const modeRollback = "ROLLBACK"

func newEvent(job reindex.Job, outcome Outcome) (event, error) {
	r := &job.Report
	at := job.Modified.UTC()
	mode := ""
	if job.Options.Rollback {
		mode = modeRollback
	}
	body, err := json.Marshal(payload{"reindex." + string(outcome), at, data{
		ID: job.ID, Tenant: job.Tenant, EntityType: job.EntityType, DryRun: job.Options.DryRun, Mode: mode,
		Status: string(job.Status), Message: job.Message,
		CreatedAt: job.Created.UTC(), EndedAt: at,
		Read: r.Read, Indexed: r.Indexed, Rejected: r.Rejected, Duplicates: r.Duplicates,
		Seconds: at.Sub(job.Created).Seconds(),
	}})
	return event{id: "msg_" + job.ID, tenant: job.Tenant, at: at, body: body}, err
}
