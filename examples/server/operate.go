package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
	_ "time/tzdata" // the image has no time zones of its own

	"productindex/httpapi"
	"productindex/reindex"
	"productindex/reindex/schedule"
	"productindex/reindex/throttle"
	"productindex/reindex/webhook"
)

// operations configures the schedule, limits and webhooks.
type operations struct {
	// Schedule has a cron expression per tenant, such as "acme=30 2 * * *;beta=@daily".
	Schedule map[string]string `env:"PRODUCTINDEX_SCHEDULE" envKeyValSeparator:"=" envSeparator:";"`
	// TimeZone is the time zone of the expressions, such as Europe/Berlin.
	TimeZone string `env:"PRODUCTINDEX_SCHEDULE_TIME_ZONE" envDefault:"UTC"`
	// Jitter is the longest random delay of a start.
	Jitter time.Duration `env:"PRODUCTINDEX_SCHEDULE_JITTER" envDefault:"0s"`
	// CatchUp starts a reindex for missed times.
	CatchUp bool `env:"PRODUCTINDEX_SCHEDULE_CATCH_UP" envDefault:"false"`

	// Documents and Bytes limit the products, and their bytes, that are read per second for all tenants together; 0
	// means no limit. PUT /indexing/{tenant}/throttle sets the limits of a tenant.
	Documents float64 `env:"PRODUCTINDEX_DOCUMENTS_PER_SECOND" envDefault:"0"`
	Bytes     float64 `env:"PRODUCTINDEX_BYTES_PER_SECOND"     envDefault:"0"`

	// WebhookURL receives an event at the end of each job, signed with WebhookSecret; see webhook.Config.
	WebhookURL    string `env:"PRODUCTINDEX_WEBHOOK_URL,unset"`
	WebhookSecret string `env:"PRODUCTINDEX_WEBHOOK_SECRET,unset"`
	// WebhookOutcomes are the outcomes of jobs that send an event, separated by commas: succeeded, failed, cancelled.
	WebhookOutcomes []webhook.Outcome `env:"PRODUCTINDEX_WEBHOOK_OUTCOMES" envDefault:"failed"`
	// WebhookPrivate allows private addresses for the URL.
	WebhookPrivate bool `env:"PRODUCTINDEX_WEBHOOK_PRIVATE" envDefault:"false"`
}

// throttle returns the limits on reading products.
func (o operations) throttle() (*throttle.Throttle, error) {
	limits, err := throttle.New(throttle.Config{All: throttle.Limits{Documents: o.Documents, Bytes: o.Bytes}})
	if err != nil {
		return nil, fmt.Errorf("PRODUCTINDEX_DOCUMENTS_PER_SECOND, PRODUCTINDEX_BYTES_PER_SECOND: %w", err)
	}
	return limits, nil
}

// alert adds webhooks to a trace if a URL is configured. The returned function closes them.
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

// scheduler returns a scheduler with the configured entries.
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

// readiness returns the handler of /readyz. The server is not ready after ctx has ended, which begins the shutdown.
func readiness(ctx context.Context, engine engine, index backend, log *slog.Logger) http.Handler {
	const tenant = "readyz" // need not exist
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
