package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
	_ "time/tzdata" // an image without a system has no time zones

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/schedule"
	"productindex/reindex/throttle"
	"productindex/reindex/webhook"
)

// operations say when tenants are reindexed, how fast, and who learns of the end.
type operations struct {
	// Schedule has a cron expression per tenant, as in "acme=30 2 * * *;beta=@daily".
	Schedule map[string]string `env:"PRODUCTINDEX_SCHEDULE" envKeyValSeparator:"=" envSeparator:";"`
	// TimeZone is that of the clock, such as Europe/Berlin.
	TimeZone string `env:"PRODUCTINDEX_SCHEDULE_TIME_ZONE" envDefault:"UTC"`
	// Jitter is by how long a start is put off at most, at random.
	Jitter time.Duration `env:"PRODUCTINDEX_SCHEDULE_JITTER" envDefault:"0s"`
	// CatchUp makes up for times that were missed.
	CatchUp bool `env:"PRODUCTINDEX_SCHEDULE_CATCH_UP" envDefault:"false"`

	// Documents and Bytes are the numbers of products and of their bytes that are read in a second, of all tenants; 0: any
	// number. The limits of a tenant are set through PUT /indexing/{tenant}/throttle.
	Documents float64 `env:"PRODUCTINDEX_DOCUMENTS_PER_SECOND" envDefault:"0"`
	Bytes     float64 `env:"PRODUCTINDEX_BYTES_PER_SECOND"     envDefault:"0"`

	// WebhookURL receives an event at the end of each job, signed with WebhookSecret; see webhook.Config.
	WebhookURL    string `env:"PRODUCTINDEX_WEBHOOK_URL,unset"`
	WebhookSecret string `env:"PRODUCTINDEX_WEBHOOK_SECRET,unset"`
	// WebhookOutcomes are succeeded, failed and cancelled, separated by commas.
	WebhookOutcomes []webhook.Outcome `env:"PRODUCTINDEX_WEBHOOK_OUTCOMES" envDefault:"failed"`
	// WebhookPrivate lets the URL lead to a private address.
	WebhookPrivate bool `env:"PRODUCTINDEX_WEBHOOK_PRIVATE" envDefault:"false"`
}

// throttle is how fast products are read.
func (o operations) throttle() (*throttle.Throttle, error) {
	limits, err := throttle.New(throttle.Config{All: throttle.Limits{Documents: o.Documents, Bytes: o.Bytes}})
	if err != nil {
		return nil, fmt.Errorf("PRODUCTINDEX_DOCUMENTS_PER_SECOND, PRODUCTINDEX_BYTES_PER_SECOND: %w", err)
	}
	return limits, nil
}

// alert adds the sending of events to a trace, if there is somebody to receive them.
func (o operations) alert(trace *reindex.Trace, log *slog.Logger) (*reindex.Trace, func(context.Context) error, error) {
	if o.WebhookURL == "" {
		return trace, func(context.Context) error { return nil }, nil
	}
	hook, err := webhook.New(webhook.Config{
		URL: o.WebhookURL, Secret: o.WebhookSecret, Outcomes: o.WebhookOutcomes, AllowPrivate: o.WebhookPrivate,
		Logger: log,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("PRODUCTINDEX_WEBHOOK_*: %w", err)
	}
	return hook.Trace(trace), hook.Close, nil
}

// scheduler starts runs by the clock.
func (o operations) scheduler(engine engine, log *slog.Logger) (*schedule.Scheduler, error) {
	location, err := time.LoadLocation(o.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("PRODUCTINDEX_SCHEDULE_TIME_ZONE: %w", err)
	}
	scheduler, err := schedule.New(engine, &schedule.Config{CatchUp: o.CatchUp, Logger: log})
	if err != nil {
		return nil, err
	}
	var entries []schedule.Entry
	for tenant, expression := range o.Schedule {
		entries = append(entries, schedule.Entry{Tenant: tenant, Cron: expression, Location: location, Jitter: o.Jitter})
	}
	if err := scheduler.Set(entries...); err != nil {
		return nil, fmt.Errorf("PRODUCTINDEX_SCHEDULE: %w", err)
	}
	return scheduler, nil
}

// readiness says what the server needs. ctx ends when it begins to shut down.
func readiness(ctx context.Context, engine engine, index backend, log *slog.Logger) http.Handler {
	const tenant = "readyz" // of which nothing needs to be known
	checks := map[string]httpapi.Check{
		"serving": func(context.Context) error { return context.Cause(ctx) },
		"jobs": func(ctx context.Context) error {
			_, _, err := engine.Jobs(ctx, tenant, reindex.JobQuery{Limit: 1})
			return err
		},
	}
	if counter, ok := reindex.As[reindex.DocCounter](index.indexer); ok {
		checks["index"] = func(ctx context.Context) error {
			_, err := counter.DocCount(ctx, tenant)
			if errors.Is(err, reindex.ErrNoLiveIndex) {
				return nil
			}
			return err
		}
	}
	return httpapi.Ready(log, checks)
}
