package bleveindex

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// keeping opens an index, and makes three generations live, one after the other, with 10, 11 and 12 documents. The
// returned names begin with the live one.
func keeping(t *testing.T, cfg *Config) (ix *Index, dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	ix = open(t, dir, cfg)
	for i, rev := range []string{"1", "2", "3"} {
		publish(t, ix, "acme", products(10+i, rev)...)
	}
	return ix, dir, listed(t, ix)
}

// listed returns the names of the generations of tenant acme, the live one first.
func listed(t *testing.T, ix *Index) (names []string) {
	t.Helper()
	infos, err := ix.Generations(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		names = append(names, info.Name)
	}
	return names
}

// goBack makes a kept generation of tenant acme live.
func goBack(t *testing.T, ix *Index, name string) {
	t.Helper()
	gen, err := ix.Rollback(t.Context(), "acme", name)
	if err == nil {
		_, err = gen.Seal(t.Context())
	}
	if err == nil {
		err = gen.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Generations returns the age, the size and the number of documents of each generation.
func TestGenerations(t *testing.T) {
	before := time.Now().UTC()
	ix, dir, names := keeping(t, &Config{KeepPrevious: 2})
	update(t, ix, "acme", deletion("p1"))
	infos, err := ix.Generations(t.Context(), "acme")
	if err != nil || len(infos) != 3 {
		t.Fatalf("generations %+v, error %v, want 3", infos, err)
	}
	for i, info := range infos {
		documents := []int64{11, 11, 10}[i]
		if info.Created.Before(before.Add(-time.Second)) || info.Created.After(time.Now()) || info.Bytes < 1000 ||
			info.Edited != (i == 0) || info.Documents != documents {
			t.Errorf("generation %d is %+v, want %d documents, edited: %v", i, info, documents, i == 0)
		}
		if replaced := info.Replaced; i > 0 && (replaced.Before(info.Created) || replaced.After(time.Now())) {
			t.Errorf("generation %d is %+v, want a replacement between its creation and now", i, info)
		}
	}
	reader := open(t, dir, &Config{ReadOnly: true, KeepPrevious: 2})
	if got := listed(t, reader); !slices.Equal(got, names) {
		t.Errorf("a read-only index lists %v, want %v", got, names)
	}
	if _, err := reader.Rollback(t.Context(), "acme", ""); !errors.Is(err, ErrReadOnly) {
		t.Errorf("rollback of a read-only index: error %v, want %v", err, ErrReadOnly)
	}
}

// KeepPrevious limits the number of kept generations, and KeepFor their age.
func TestKeeps(t *testing.T) {
	now := time.Now()
	list := []kept{{"a", now.Add(-time.Second)}, {"b", now.Add(-time.Minute)}, {"c", now.Add(-time.Hour)}}
	for _, test := range []struct {
		cfg  Config
		want int
	}{
		{Config{}, 0}, {Config{KeepPrevious: 1}, 1}, {Config{KeepPrevious: 9}, 3},
		{Config{KeepPrevious: 9, KeepFor: 2 * time.Hour}, 3}, {Config{KeepPrevious: 9, KeepFor: 2 * time.Minute}, 2},
		{Config{KeepPrevious: 1, KeepFor: 2 * time.Minute}, 1}, {Config{KeepPrevious: 9, KeepFor: time.Millisecond}, 0},
	} {
		if got := test.cfg.keeps(list, now); len(got) != test.want {
			t.Errorf("KeepPrevious %d and KeepFor %v keep %v, want %d", test.cfg.KeepPrevious, test.cfg.KeepFor, got, test.want)
		}
	}
	for _, cfg := range []Config{{KeepPrevious: -1}, {KeepFor: -1}} {
		if _, err := Open(t.TempDir(), &cfg); err == nil || !strings.Contains(err.Error(), "Keep") {
			t.Errorf("config %+v: error %v, want one with the name of the field", cfg, err)
		}
	}
}

// A switch, Reap and Open remove the generations that KeepPrevious and KeepFor do not cover.
func TestKeptIsRemoved(t *testing.T) {
	ix, dir, names := keeping(t, &Config{KeepPrevious: 2})
	publish(t, ix, "acme", products(5, "4")...)
	assertOnDisk := func(want ...string) {
		t.Helper()
		mustClose(t, ix) // waits until generations are removed
		got := generationsOnDisk(t, dir, "acme")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%v are on the disk, want %v", got, want)
		}
	}
	live := listed(t, ix)[0]
	assertOnDisk(live, names[0], names[1])
	ix = open(t, dir, &Config{KeepPrevious: 1})
	if got, want := listed(t, ix), []string{live, names[0]}; !slices.Equal(got, want) {
		t.Errorf("listed: %v, want %v", got, want)
	}
	assertOnDisk(live, names[0])
	ix = open(t, dir, &Config{KeepPrevious: 1, KeepFor: time.Hour})
	ix.cfg.KeepFor = time.Nanosecond
	if _, err := ix.Rollback(t.Context(), "acme", names[0]); !errors.Is(err, reindex.ErrNoPrevious) {
		t.Errorf("rollback to a generation older than KeepFor: error %v, want %v", err, reindex.ErrNoPrevious)
	}
	if n, err := ix.Reap(t.Context(), "acme"); n != 1 || err != nil {
		t.Errorf("reaped %d, error %v, want 1", n, err)
	}
	assertOnDisk(live)
	ix = open(t, dir, &Config{KeepPrevious: 1})
	if _, err := ix.Rollback(t.Context(), "acme", names[0]); !errors.Is(err, reindex.ErrNoPrevious) {
		t.Errorf("rollback to a removed generation: error %v, want %v", err, reindex.ErrNoPrevious)
	}
}

// A generation that is no longer kept is removed even if its index was closed for being idle.
func TestKeptIsRemovedAfterIdleClose(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir, &Config{KeepPrevious: 1, IdleTimeout: -1})
	publish(t, ix, "acme", products(5, "1")...)
	closeIdle(t, ix, "acme")
	publish(t, ix, "acme", products(5, "2")...)
	publish(t, ix, "acme", products(5, "3")...)
	names := listed(t, ix)
	mustClose(t, ix) // waits until generations are removed
	got := generationsOnDisk(t, dir, "acme")
	slices.Sort(got)
	slices.Sort(names)
	if len(names) != 2 || !slices.Equal(got, names) {
		t.Errorf("%v are on the disk, want the live generation and a kept one: %v", got, names)
	}
}

// A rollback to a damaged generation is refused before any change. A rollback to another generation, and a reindex,
// still succeed.
func TestRollbackToDamage(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"segment": func(t *testing.T, dir string) {
			change(t, segmentFiles(t, dir)[0], flipOneBit)
		},
		"store": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, storeDir)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ix, dir, names := keeping(t, &Config{KeepPrevious: 2})
			mustClose(t, ix)
			damage(t, filepath.Join(dir, tenantDir("acme"), names[1]))
			ix = open(t, dir, &Config{KeepPrevious: 2})
			for range 2 {
				if _, err := ix.Rollback(t.Context(), "acme", ""); !errors.Is(err, reindex.ErrDamaged) {
					t.Errorf("rollback: error %v, want %v", err, reindex.ErrDamaged)
				}
				assertLive(t, ix, "acme", 12, "3")
			}
			goBack(t, ix, names[2])
			assertLive(t, ix, "acme", 10, "1")
			publish(t, ix, "acme", products(7, "4")...)
			assertLive(t, ix, "acme", 7, "4")
		})
	}
}

// If the pointer cannot be written, the commit of a rollback fails without any effect, and can be called again. All
// generations are kept.
func TestRollbackFails(t *testing.T) {
	ix, dir, names := keeping(t, &Config{KeepPrevious: 2})
	obstacle := filepath.Join(dir, tenantDir("acme"), pointerTemp)
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	gen, err := ix.Rollback(t.Context(), "acme", names[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := gen.Commit(t.Context()); err == nil {
		t.Error("the commit succeeds, although the pointer cannot be written")
	}
	assertLive(t, ix, "acme", 12, "3")
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, gen)
	assertLive(t, ix, "acme", 10, "1")
	if got, want := listed(t, ix), []string{names[2], names[0], names[1]}; !slices.Equal(got, want) {
		t.Errorf("listed: %v, want %v", got, want)
	}
}

// If the process dies during a rollback, after any number of changes of the disk, one whole generation is live and the
// others are kept.
func TestRollbackDies(t *testing.T) {
	died := errors.New("the process has died")
	for n := 1; ; n++ {
		ix, dir, names := keeping(t, &Config{KeepPrevious: 2})
		changes, disk := 0, osDisk
		step := func() error {
			if changes++; changes > n {
				return died
			}
			return nil
		}
		ix.disk.rename = func(from, to string) error {
			if err := step(); err != nil {
				return err
			}
			return disk.rename(from, to)
		}
		ix.disk.sync = func(file *os.File) error {
			if err := step(); err != nil {
				return err
			}
			return disk.sync(file)
		}
		gen, err := ix.Rollback(t.Context(), "acme", names[2])
		if err == nil {
			err = gen.Commit(t.Context())
		}
		die(t, ix)
		ix = open(t, dir, &Config{KeepPrevious: 2})
		got := listed(t, ix)
		slices.Sort(got[1:])
		slices.Sort(names)
		switch {
		case len(got) != 3:
			t.Fatalf("after %d changes: listed %v, want %v", n, got, names)
		case got[0] == names[0]:
			assertLive(t, ix, "acme", 10, "1")
		case got[0] == names[2]:
			assertLive(t, ix, "acme", 12, "3")
			goBack(t, ix, names[0])
			assertLive(t, ix, "acme", 10, "1")
		default:
			t.Fatalf("after %d changes: %s is live, want %s or %s", n, got[0], names[0], names[2])
		}
		if err == nil {
			return
		}
	}
}

// A rollback waits until no search uses the generation any more, or its context ends.
func TestRollbackWaits(t *testing.T) {
	ix, _, names := keeping(t, &Config{KeepPrevious: 2})
	l, err := ix.acquire(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, ix, "acme", products(5, "4")...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ix.Rollback(ctx, "acme", names[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("rollback to a generation in use: error %v, want %v", err, context.Canceled)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		goBack(t, ix, names[0])
	}()
	l.done()
	<-ended
	assertLive(t, ix, "acme", 12, "3")
}

// A tenant is not deleted while a rollback is open. Its kept generations are deleted with it.
func TestDeleteTenantWithKept(t *testing.T) {
	ix, dir, _ := keeping(t, &Config{KeepPrevious: 2})
	gen, err := ix.Rollback(t.Context(), "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.DeleteTenant(t.Context(), "acme"); !errors.Is(err, reindex.ErrRunning) {
		t.Errorf("delete while a rollback is open: error %v, want %v", err, reindex.ErrRunning)
	}
	if err := gen.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ix.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	assertNoDirectory(t, dir, "acme")
	if got := listed(t, ix); len(got) != 0 {
		t.Errorf("listed: %v, want none", got)
	}
}

// A search is repeated if some of its hits are deleted before it has loaded them.
func TestSearchWhileDeleting(t *testing.T) {
	ix := open(t, t.TempDir(), nil)
	publish(t, ix, "acme", products(50, "1")...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var gone, back []reindex.Change
		for _, p := range products(40, "1") {
			gone = append(gone, reindex.Change{ID: p.ID, Delete: true})
			back = append(back, reindex.Change{ID: p.ID, Body: p.Body})
		}
		for range 40 {
			if err := errors.Join(ix.Update(t.Context(), "acme", gone), ix.Update(t.Context(), "acme", back)); err != nil {
				t.Error(err)
			}
		}
	}()
	for searching := true; searching; {
		select {
		case <-done:
			searching = false
		default:
		}
		if found, err := revs(t.Context(), ix, "acme"); err != nil || len(found) != 50 && len(found) != 10 {
			t.Fatalf("a search finds %d products, error %v, want 50 or 10", len(found), err)
		}
	}
	<-done
}
