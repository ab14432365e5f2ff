package bleveindex

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

const (
	childDir = "BLEVEINDEX_CHILD_DIR" // set in a child process: the directory of the index
	childRev = "BLEVEINDEX_CHILD_REV" // the revision to write, or childReads

	childReads = "read" // the child only prints the number of products that it finds

	crashProducts = 1100
)

// runChild is the main function of a child process, which reindexes once, or reads.
func runChild(dir string) int {
	once := reindexOnce
	if os.Getenv(childRev) == childReads {
		once = readOnce
	}
	if err := once(dir, os.Getenv(childRev)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func readOnce(dir, _ string) error {
	ix, err := Open(dir, &Config{ReadOnly: true})
	if err != nil {
		return err
	}
	found, err := revs(context.Background(), ix, "acme")
	fmt.Fprint(os.Stdout, len(found))
	return errors.Join(err, ix.Close())
}

func reindexOnce(dir, rev string) error {
	ctx := context.Background()
	ix, err := Open(dir, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "open")
	gen, err := ix.Begin(ctx, "acme")
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(products(crashProducts, rev), batchDocs) {
		if err := gen.Write(ctx, batch); err != nil {
			return err
		}
	}
	if _, err := gen.Seal(ctx); err != nil {
		return err
	}
	if err := gen.Commit(ctx); err != nil {
		return err
	}
	return ix.Close()
}

// Whenever a process is killed during a reindex, the next process serves the whole old or the whole new generation, and
// no other files are left.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	const rounds = 8
	took := child(t, dir, "0", time.Hour)
	live, killed, replaced := "0", 0, 0
	for round := range rounds {
		rev := fmt.Sprint(round + 1)
		if child(t, dir, rev, time.Duration(rand.Int64N(int64(took)))) < 0 {
			killed++
		}
		ix := open(t, dir, nil)
		found, err := revs(t.Context(), ix, "acme")
		if err != nil {
			t.Fatal(err)
		}
		if found["p0"] == rev {
			live = rev
			replaced++
		}
		assertLive(t, ix, "acme", crashProducts, live)
		assertGenerations(t, dir, "acme", 1)
		mustClose(t, ix)
	}
	t.Logf("of %d processes %d were killed, %d had committed", rounds, killed, replaced)
	if killed == 0 {
		t.Errorf("all %d processes ended before they were killed", rounds)
	}
}

// child runs a reindex in a process of its own, and kills it when the time life has passed since it opened the index.
// It returns the time from the opening of the index to the end of the process, or -1 if the process was killed.
func child(t *testing.T, dir, rev string, life time.Duration) time.Duration {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRev+"="+rev)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Errorf("the process has not opened the index: %v", err)
	}
	start := time.Now()
	timer := time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err == nil {
		return time.Since(start)
	}
	if cmd.ProcessState.Exited() {
		t.Errorf("the process has failed: %v", cmd.ProcessState)
	}
	return -1
}
