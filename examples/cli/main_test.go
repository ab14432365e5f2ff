package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"productindex/httpapi"
	"productindex/reindex"
)

// TestMain runs the program itself in the processes that the tests start.
func TestMain(m *testing.M) {
	if os.Getenv("CLI_CHILD") == "true" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

const token = "s3cret-token"

func TestTriggerAndFollow(t *testing.T) {
	s := newShop(t, 1)
	id := s.trigger(t)
	close(s.hold)
	const end = "SUCCESS: 99 indexed, 1 rejected, 0 duplicate\n"
	out, note, err := s.cli(t.Context(), "trigger", "-follow")
	if err != nil || !strings.HasSuffix(out, "\n"+end) {
		t.Errorf("got %s%serror %v, want a success at the end", out, note, err)
	}
	if !strings.HasSuffix(note, strings.ToLower(end)) || strings.ContainsAny(note, "\r█") { // the bar is for terminals
		t.Errorf("standard error is %q, want the end without a bar", note)
	}
	if out, _, err := s.cli(t.Context(), "follow", id); err != nil || out != end {
		t.Errorf("got %serror %v, want a success", out, err)
	}
	if out, note, err := s.cli(t.Context(), "failures", id); err != nil || !strings.HasPrefix(out, "p0: ") ||
		!strings.HasSuffix(out, " (acme.jsonl, line 1)\n") ||
		note != "shown: 1 of 1 listed products; rejected in total: 1\n" {
		t.Errorf("got %s%serror %v, want the rejected product, its place and the counts", out, note, err)
	}
}

// If a job fails, the error has the reason.
func TestFollowAFailure(t *testing.T) {
	s := newShop(t, 2)
	close(s.hold)
	out, _, err := s.cli(t.Context(), "trigger", "-follow")
	id := strings.TrimSpace(out)
	if err == nil || !strings.Contains(err.Error(), "job "+id+" ended as FAILURE: not published, rule \"rejected\"") {
		t.Errorf("got %serror %v, want the reason of the failure", out, err)
	}
	out, _, err = s.cli(t.Context(), "failures", id)
	lines := regexp.MustCompile(`(?m)^p0: .* \(acme.jsonl, line 1\)$|^p10: .*[^)\n]$`).FindAllString(out, -1)
	if err != nil || len(lines) != 2 {
		t.Errorf("got %serror %v, want 2 rejected products", out, err)
	}
}

func TestCancelAndList(t *testing.T) {
	s := newShop(t, 0)
	id := s.trigger(t)
	if out, _, err := s.cli(t.Context(), "cancel", id); err != nil || out != id+" was asked to stop\n" {
		t.Errorf("got %serror %v, want that the job was asked to stop", out, err)
	}
	if _, _, err := s.cli(t.Context(), "follow", id); err == nil ||
		!strings.Contains(err.Error(), reindex.ErrCancelled.Error()) {
		t.Errorf("follow: got error %v, want %v", err, reindex.ErrCancelled)
	}
	if _, _, err := s.cli(t.Context(), "cancel", id); err == nil ||
		!strings.Contains(err.Error(), "the server answered 409 Conflict: The job has ended") {
		t.Errorf("cancel of an ended job: got error %v, want the server's 409", err)
	}
	close(s.hold)
	if _, _, err := s.cli(t.Context(), "trigger", "-follow"); err != nil {
		t.Error(err)
	}
	out, note, err := s.cli(t.Context(), "list", "-q", "status:FAILURE")
	row := regexp.MustCompile(
		`(?m)^` + id + ` +PRODUCT +FAILURE, \w+ +0 +0 +0 +0 +\? +20\d\d-.* \d[\d.]*m?s +the reindex was cancelled$`,
	)
	if err != nil || note != "shown: 1 of 1 jobs\n" || !row.MatchString(out) {
		t.Errorf("got %s%serror %v, want the job that succeeded", out, note, err)
	}
	out, note, err = s.cli(t.Context(), "list", "-sort", "status:desc", "-size", "1", "-page", "2")
	if err != nil || note != "shown: 1 of 2 jobs\n" || !strings.Contains(out, id) {
		t.Errorf("got %s%serror %v, want the job that was cancelled", out, note, err)
	}
}

func TestRollback(t *testing.T) {
	s := newShop(t, 0)
	close(s.hold)
	_, _, err := s.cli(t.Context(), "rollback", "-follow")
	if err == nil || !strings.Contains(err.Error(), "409 Conflict: There is nothing to go back to") {
		t.Errorf("rollback with nothing to go back to: got error %v, want a 409", err)
	}
	var made []string
	for range 2 {
		made = append(made, s.trigger(t))
		if _, _, err := s.cli(t.Context(), "follow", made[len(made)-1]); err != nil {
			t.Fatal(err)
		}
	}
	list := func(first, second string) (names []string) {
		t.Helper()
		out, _, err := s.cli(t.Context(), "generations")
		rows := regexp.MustCompile(`(?m)^(\S+) +(live|kept) +100 +\d+ +20\d\d-\S+ \S+ +(?:-|20\d\d-\S+ \S+) +(\w+)$`).
			FindAllStringSubmatch(out, -1)
		if err != nil || len(rows) != 2 || rows[0][2] != "live" || rows[0][3] != first || rows[1][3] != second {
			t.Fatalf("got %serror %v, want a live generation and a kept one", out, err)
		}
		return []string{rows[0][1], rows[1][1]}
	}
	names := list(made[1], made[0])
	out, _, err := s.cli(t.Context(), "rollback", "-dry-run", "-follow")
	const end = "SUCCESS: the previous index is complete and has all changes; this was a dry run"
	if err != nil || !strings.Contains(out, end) {
		t.Errorf("got %serror %v, want a dry run that succeeds", out, err)
	}
	list(made[1], made[0])
	for range 2 { // the second time, the generation is live already
		if _, _, err := s.cli(t.Context(), "rollback", "-to", names[1], "-follow"); err != nil {
			t.Error(err)
		}
		list(made[0], made[1])
	}
	out, _, err = s.cli(t.Context(), "list", "-q", "mode:ROLLBACK status:SUCCESS")
	if err != nil || strings.Count(out, "PRODUCT, rollback") != 3 {
		t.Errorf("got %serror %v, want 3 rollbacks", out, err)
	}
}

// The number of expected products may be unknown or estimated.
func TestExpected(t *testing.T) {
	n := int64(100)
	for want, j := range map[string]job{"?": {}, "100": {Expected: &n}, "about 100": {Expected: &n, Estimated: true}} {
		if got := j.expected(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The client connects again after each kind of failure, and shows each state once.
func TestFollowComesBack(t *testing.T) {
	s := newShop(t, 0)
	id := s.trigger(t)
	s.disturb = func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 2: // the stream breaks in the middle of an event
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 1\nid: IN_PROGRESS-7-\ndata: {\"status\":\"IN_")
		case 3: // a proxy finds no server
			http.Error(w, "no server", http.StatusBadGateway)
		case 4: // the connection breaks
			panic(http.ErrAbortHandler)
		case 5, 6: // the server cannot answer for a while
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"code":400,"message":%q,"details":[]}`,
				[]string{httpapi.MessageTooManyStreams, httpapi.MessageUnavailable}[n-5])
		case 7:
			close(s.hold)
			return false
		default: // one event, then the end of the stream
			ctx, stop := context.WithCancel(r.Context())
			defer stop()
			job, err := s.engine.Job(ctx, "acme", id)
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "retry: 1\n\nid: %s-0-\ndata: {\"status\":%q,\"phase\":\"load\"}\n\n", job.Status, job.Status)
			return err == nil
		}
		return true
	}
	out, note, err := s.cli(t.Context(), "follow", id)
	if err != nil || out != "SUCCESS: 100 indexed, 0 rejected, 0 duplicate\n" ||
		!strings.HasSuffix(note, "\n"+strings.ToLower(out)) {
		t.Errorf("got %s%serror %v, want each state once, and a success", out, note, err)
	}
	if known := "IN_PROGRESS-0-"; !slices.Equal(s.streams, []string{"", known, known, known, known, known, known}) {
		t.Errorf("the client sent the Last-Event-IDs %q, want none and then %s", s.streams, known)
	}
}

// An interrupt ends the program, but not the job.
func TestFollowIsInterrupted(t *testing.T) {
	s := newShop(t, 0)
	id := s.trigger(t)
	ctx, interrupt := context.WithCancel(t.Context())
	s.disturb = func(int, http.ResponseWriter, *http.Request) bool {
		interrupt()
		return false
	}
	if _, _, err := s.cli(ctx, "follow", id); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if job, err := s.engine.Job(t.Context(), "acme", id); err != nil || job.Status.Ended() {
		t.Errorf("the job is %s, error %v, want it in progress", job.Status, err)
	}
}

// Errors have the text of the server's response.
func TestErrors(t *testing.T) {
	s := newShop(t, 0)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for _, test := range []struct{ url, token, args, want string }{
		{s.URL, token, "list -q x:y", "the server answered 400 Bad Request: Invalid q; At character 1: "},
		{s.URL, token, "list -page 0", "the server answered 400 Bad Request: Invalid pageNumber; "},
		{
			s.URL, token, "trigger -type CATEGORY",
			"the server answered 400 Bad Request: Unsupported entityType; Supported entity types: PRODUCT",
		},
		{s.URL, token, "follow NONE", "the server answered 404 Not Found: Not found; There is no such job"},
		{s.URL, token, "cancel NONE", "the server answered 404 Not Found: Not found; There is no such job"},
		{s.URL, token, "failures NONE", "the server answered 404 Not Found: Not found; There is no such job"},
		{s.URL, token, "failures a/../b", "the server answered 404 Not Found: Not found; There is no such job"},
		{s.URL, "", "trigger", "the server answered 401 Unauthorized: Invalid access token"},
		{s.URL, "wrong", "follow NONE", "the server answered 401 Unauthorized: Invalid access token"},
		{other.URL, token, "list", "the server answered 404 Not Found: 404 page not found"},
		{"http://127.0.0.1:1", token, "list", "connection refused"},
	} {
		args := append([]string{"-url", test.url + "/", "-tenant", "acme"}, strings.Fields(test.args)...)
		err := run(t.Context(), args, test.token, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.args, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("%s: got error %v, want one without the token", test.args, err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{
		"", "trigger", "-tenant acme", "-tenant acme dance", "-tenant acme trigger now", "-tenant acme trigger -now",
		"-tenant acme follow",
		"-tenant acme cancel a b", "-tenant acme failures", "-tenant acme list all",
		"-now", "trigger -tenant acme",
	} {
		var note bytes.Buffer
		err := run(t.Context(), strings.Fields(args), token, io.Discard, &note)
		if !errors.Is(err, errUsage) || !strings.Contains(note.String(), "usage: cli") {
			t.Errorf("%s: got error %v with the output %s, want errUsage and the usage", args, err, &note)
		}
	}
}

// A command line that asks for help prints the usage to the standard output.
func TestHelp(t *testing.T) {
	for _, args := range []string{
		"-h", "--help", "trigger -h", "-tenant acme list -help", "-tenant acme follow --h", "-tenant acme cancel -h",
		"failures -h",
	} {
		var out, note bytes.Buffer
		err := run(t.Context(), strings.Fields(args), token, &out, &note)
		if !errors.Is(err, flag.ErrHelp) || out.String() != usage || note.Len() > 0 {
			t.Errorf("%s: got error %v with the output %s%s, want flag.ErrHelp and the usage", args, err, &out, &note)
		}
	}
}

// On a terminal, a bar shows the progress of the job, even if there are more products than expected.
func TestBar(t *testing.T) {
	var note bytes.Buffer
	show, end := (&app{note: &note}).bar()
	expected, left := int64(10), int64(7)
	for _, j := range []job{
		{
			Status: "IN_PROGRESS", Phase: "load", Indexed: 3, Rejected: 1, Duplicates: 1, Expected: &expected,
			RemainingSeconds: &left,
		},
		{Status: "PUBLISHED", Phase: "seal", Indexed: 12, Expected: &expected},
	} {
		show(j)
	}
	end()
	for _, want := range []string{"in_progress, load, 7s left", "█", "(5/10)", "published, seal", "(12/12)"} {
		if !strings.Contains(note.String(), want) {
			t.Errorf("the bar has no %q: %q", want, &note)
		}
	}
}

// The exit code depends on the outcome of the job.
func TestExitCode(t *testing.T) {
	good, bad := newShop(t, 0), newShop(t, 2)
	close(good.hold)
	close(bad.hold)
	for _, test := range []struct {
		url, args string
		code      int
	}{
		{good.URL, "trigger -follow", 0},
		{bad.URL, "trigger -follow", 1},
		{good.URL, "dance", 2},
		{good.URL, "-h", 0},
		{good.URL, "list -h", 0},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0],
			append([]string{"-url", test.url, "-tenant", "acme"}, strings.Fields(test.args)...)...)
		cmd.Env = append(os.Environ(), "CLI_CHILD=true", "PRODUCTINDEX_TOKEN="+token)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != test.code {
			t.Errorf("%s: got exit code %d, want %d: %s", test.args, code, test.code, out)
		}
	}
}
