package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/jackc/pgx/v5/pgxpool"

	"productindex/reindex"
	"productindex/reindex/fleet"
	"productindex/reindex/reindextest"
)

// fleetProcess describes a process of the fleet. The environment of the process has it in JSON.
type fleetProcess struct {
	DSN      string     `json:"dsn"`
	URL      string     `json:"url"`
	Prefix   string     `json:"prefix"`
	Reads    string     `json:"reads"` // the path of the file with a line for each read of a part
	Products int        `json:"products"`
	Role     fleet.Role `json:"role"`
}

func startProcess(t *testing.T, p fleetProcess, role fleet.Role) *exec.Cmd {
	t.Helper()
	p.Role = role
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fleetVariable+"="+string(text))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(t, cmd) })
	return cmd
}

// kill ends a process, as a crash does, if it runs.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.ProcessState != nil {
		return
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
}

// pause stops a process for a while. The process cannot notice that.
func pause(t *testing.T, cmd *exec.Cmd, while time.Duration) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(while, func() { _ = cmd.Process.Signal(syscall.SIGCONT) }) // the process may have ended by then
}

// workInFleet runs a process of the fleet until a signal ends it. A process that triggers starts the first job of the
// tenant.
func workInFleet(text string) error {
	var p fleetProcess
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	address, err := url.Parse(p.URL)
	if err != nil {
		return err
	}
	client, err := elastictransport.NewClient(elastictransport.WithURLs(address), elastictransport.WithDisableRetry())
	if err != nil {
		return err
	}
	ix, err := New(client, &Config{Prefix: p.Prefix})
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, p.DSN)
	if err != nil {
		return err
	}
	defer pool.Close()
	f, err := fleet.New(ctx, pool, &shelves{p}, ix, &fleet.Config{
		Role: p.Role, Lease: fleetLease, PartProducts: fleetPart, Attempts: 9,
	})
	if err != nil {
		return err
	}
	if p.Role == fleet.Trigger {
		_, total, err := f.Jobs(ctx, acme, reindex.JobQuery{Limit: 1})
		if err == nil && total == 0 {
			_, _, err = f.Start(ctx, acme)
		}
		if err != nil {
			return err
		}
	}
	if err := f.Work(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return f.Shutdown(context.WithoutCancel(ctx))
}

// shelves is a source of parts. It adds a line to a file for each part that was read to its end.
type shelves struct{ process fleetProcess }

func (s *shelves) Open(context.Context, string) (reindex.Snapshot, error) { return s, nil }

func (s *shelves) Close() error { return nil }

func (s *shelves) Count(context.Context) (int64, error) { return int64(s.process.Products), nil }

func (s *shelves) Products(context.Context) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		yield(reindex.Product{}, errors.New("a source of parts is read as a whole"))
	}
}

func (s *shelves) Split(context.Context, int) ([]string, error) {
	var names []string
	for first := 0; first < s.process.Products; first += fleetPart {
		names = append(names, strconv.Itoa(first))
	}
	return names, nil
}

func (s *shelves) Part(ctx context.Context, name string) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		first, err := strconv.Atoi(name)
		for i := first; err == nil && i < min(first+fleetPart, s.process.Products); i++ {
			if !yield(reindextest.NewProduct("p"+strconv.Itoa(i), map[string]any{"rev": "1"}), nil) {
				return
			}
			err = ctx.Err()
		}
		if err == nil {
			err = s.note(name)
		}
		if err != nil {
			yield(reindex.Product{}, err)
		}
	}
}

// note adds a line to the file of reads. Several processes can append at the same time.
func (s *shelves) note(name string) error {
	file, err := os.OpenFile(s.process.Reads, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(name + "\n")
	return errors.Join(err, file.Close())
}
