// Server mounts the reindex endpoints, the console and a search over a folder of catalogues or a database. Environment
// variables configure it (see config.go and catalogue.go). It logs JSON lines to standard error. On SIGTERM it accepts
// no more requests, waits for running reindexes for some time, and then cancels them.
//
//	PRODUCTINDEX_CATALOGUES=./catalogues go run ./examples/server
//	PRODUCTINDEX_DATABASE=sqlite:shop.db PRODUCTINDEX_QUERY='SELECT * FROM products WHERE tenant = ?' go run ./examples/server
//	curl -X POST localhost:8080/indexing/acme/reindex
//	curl 'localhost:8080/search/acme?q=wool'
//	curl localhost:8080/metrics
//
// With PRODUCTINDEX_FLEET several servers reindex one tenant together; see fleet.go.
//
// The variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT, export spans and metrics. The folder ../deploy
// has an image, alerts and a dashboard. /metrics needs no token and contains no tenants.
//
// The console, a page for operators, is at http://localhost:8080/console/.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"productindex/httpapi"
	"productindex/httpapi/console"
	"productindex/reindex"
	"productindex/reindex/reindexotel"
	"productindex/reindex/schedule"
	"productindex/reindex/throttle"
)

func main() {
	log := slog.New(reindexotel.Logs(slog.NewJSONHandler(os.Stderr, nil)))
	if err := run(log); err != nil {
		log.Error("the server failed", "error", err)
		os.Exit(1)
	}
}

// run serves until the process gets a signal to stop.
func run(log *slog.Logger) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	source, closeSource, err := cfg.Catalogue.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeSource()) }()
	index, err := openBackend(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, index.close()) }()
	telemetry, err := openTelemetry(ctx)
	if err != nil {
		return err
	}
	trace, closeAlerts, err := cfg.Operations.alert(telemetry.trace, log)
	if err != nil {
		return errors.Join(err, telemetry.close(ctx))
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(cfg.ShutdownTimeout, closeTimeout))
		defer cancel()
		err = errors.Join(err, closeAlerts(last), telemetry.close(last))
	}()
	limits, err := cfg.Operations.throttle()
	if err != nil {
		return err
	}
	engine, err := cfg.openEngine(ctx, limits.Source(source), index.indexer, reindex.Config{
		Logger: log, MaxRejected: cfg.MaxRejected, MaxRuns: cfg.MaxRuns, Trace: trace, Checks: cfg.checks(index),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.close()) }()
	return operate(ctx, stop, cfg, parts{engine.engine, engine.work, index, limits, telemetry.metrics, log})
}

// closeTimeout is the least time for sending webhooks and traces when the server ends.
const closeTimeout = 2 * time.Second

// parts has the parts of a server.
type parts struct {
	engine  engine
	work    func(ctx context.Context) error
	index   backend
	limits  *throttle.Throttle
	metrics http.Handler
	log     *slog.Logger
}

// operate serves requests and runs the schedule until ctx ends.
func operate(ctx context.Context, stop func(), cfg config, p parts) error {
	scheduler, err := cfg.Operations.scheduler(p.engine, p.log)
	if err != nil {
		return err
	}
	handler, err := routes(ctx, cfg, p, scheduler)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return err
	}
	if err := p.work(ctx); err != nil {
		return errors.Join(err, listener.Close(), p.engine.Shutdown(ctx))
	}
	p.log.Info("listening", "address", listener.Addr().String(), "backend", cfg.Backend)
	var scheduling sync.WaitGroup
	scheduling.Go(func() { scheduler.Run(ctx) })
	defer scheduling.Wait()
	defer stop()
	return serve(ctx, stop, listener, handler, p, cfg.ShutdownTimeout)
}

// routes returns a handler with the endpoints, the console, the search and the metrics. Event streams, which last as
// long as a job, end with ctx.
func routes(ctx context.Context, cfg config, p parts, scheduler *schedule.Scheduler) (http.Handler, error) {
	authorize, err := cfg.authorizer()
	if err != nil {
		return nil, err
	}
	settings := httpapi.Config{
		Authorizer: authorize, TriggerRate: perMinute(cfg.MaxTriggers), Logger: p.log, Stopping: ctx.Done(),
		ServerURL: cfg.ServerURL, TokenURL: cfg.TokenURL, Throttle: p.limits,
		Schedule: scheduler, Rollbacks: p.engine,
	}
	if cfg.Changes {
		settings.Changes = p.engine
	}
	tenant := func(r *http.Request) string { return r.PathValue("tenant") }
	search, err := httpapi.Protect(searchHandler(p.index, p.log), httpapi.ScopeView, tenant, settings)
	if err != nil {
		return nil, err
	}
	page, err := console.New(&console.Config{Search: consoleSearch(p.index), Authorizer: authorize, Logger: p.log})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /search/{tenant}", search)
	mux.Handle("GET /metrics", p.metrics)
	mux.Handle("/console/", http.StripPrefix("/console", page))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /readyz", readiness(ctx, p.engine, p.index, p.log))
	settings.Fallback = mux
	endpoints, err := httpapi.NewHandler(p.engine, settings)
	if err != nil {
		return nil, err
	}
	return traced(endpoints), nil
}

// serve serves requests until ctx ends or the listener fails. It then shuts the server down first, so that no new
// requests come, and the engine afterwards. When the shutdown begins, it calls stop, which ends ctx. Requests and runs
// that have not ended after patience are cut off, which is not an error.
func serve(
	ctx context.Context, stop func(), listener net.Listener, handler http.Handler, p parts, patience time.Duration,
) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10, // enough for the longest q with each character percent-encoded
	}
	server.RegisterOnShutdown(stop)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	stopped := server.Shutdown(last)
	if errors.Is(stopped, context.DeadlineExceeded) {
		p.log.Warn("requests that had not ended in time were cut off", "timeout", patience)
		stopped = server.Close()
	}
	err = errors.Join(err, stopped)
	if stopped := p.engine.Shutdown(last); stopped != nil && !errors.Is(stopped, context.DeadlineExceeded) {
		err = errors.Join(err, stopped)
	}
	return err
}
