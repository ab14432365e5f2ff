package testmodule_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"riverqueue.com/riverui"

	"productindex/reindex"
	"productindex/reindex/fleet"
	"productindex/reindex/reindextest"
	"productindex/reindex/reindextest/pgtest"
)

// mountQueue mounts River's page at /river/ for the database of a fleet, until ctx ends. The page can cancel runs and
// parts, so only operators may have access to it.
func mountQueue(ctx context.Context, mux *http.ServeMux, pool *pgxpool.Pool, logger *slog.Logger) error {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: logger})
	if err != nil {
		return err
	}
	page, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil), Logger: logger, Prefix: "/river",
	})
	if err != nil {
		return err
	}
	if err := page.Start(ctx); err != nil {
		return err
	}
	mux.Handle("/river/", page)
	return nil
}

// River's page shows the runs and parts of a fleet.
func TestRiverUI(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pool, err := pgxpool.New(ctx, pgtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	src, ix := reindextest.Slice(reindextest.Products(10, "1")), reindextest.NewMemory()
	f, err := fleet.New(ctx, pool, src, ix, &fleet.Config{
		Engine: reindex.Config{Logger: slog.New(slog.DiscardHandler)}, Role: fleet.Trigger,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Shutdown(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	if _, _, err := f.Start(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	if err := mountQueue(ctx, mux, pool, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{"/river/": "<html", "/river/api/jobs?state=available": "reindex_run"} {
		if body := get(t, server.URL+path); !strings.Contains(body, want) {
			t.Errorf("%s does not contain %q: %.300s", path, want, body)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s, error %v, want 200", url, response.Status, err)
	}
	return string(body)
}
