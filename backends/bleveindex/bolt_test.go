package bleveindex

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// boltFile returns the content of a database to which bleve has written several snapshots.
func boltFile(tb testing.TB) []byte {
	tb.Helper()
	ix := open(tb, tb.TempDir(), nil)
	gen := begin(tb, ix, "acme")
	for i := range 12 {
		if err := gen.Write(tb.Context(), products(120, "1")[i*10:(i+1)*10]); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := gen.Seal(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := gen.index.Close(); err != nil {
		tb.Fatal(err)
	}
	gen.index = nil
	content, err := os.ReadFile(filepath.Join(gen.dir, storeDir, rootFile))
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// sameAsBolt compares a bucket with the one that bbolt reads, and returns the number of its keys.
func sameAsBolt(t *testing.T, got *boltBucket, want *bbolt.Bucket) (n int) {
	t.Helper()
	last := ""
	err := want.ForEach(func(key, value []byte) error {
		n++
		last = string(key)
		if value == nil {
			inner := got.buckets[last]
			if inner == nil {
				t.Fatalf("there is no bucket %q", key)
			}
			n += sameAsBolt(t, inner, want.Bucket(key))
		} else if !bytes.Equal(got.values[last], value) {
			t.Errorf("key %q is %q, want %q", key, got.values[last], value)
		}
		return nil
	})
	if err != nil || got.last != last {
		t.Errorf("the last key is %q, error %v, want %q", got.last, err, last)
	}
	return n
}

// openBolt opens a copy of a database with bbolt, as bleve does.
func openBolt(t *testing.T, content []byte) *bbolt.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), rootFile)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// A database is read as bbolt reads it, even with inline and large buckets, branches, values of many pages, and free
// pages.
func TestReadBolt(t *testing.T) {
	large := func(t *testing.T) []byte {
		db := openBolt(t, nil)
		for round := range 20 {
			err := db.Update(func(tx *bbolt.Tx) error {
				outer, err := tx.CreateBucketIfNotExists([]byte("s"))
				if err != nil {
					return err
				}
				for i := range 300 {
					key := []byte{'k', byte(i), byte(i >> 8)}
					inner, err := outer.CreateBucketIfNotExists(append([]byte("b"), key...))
					if err == nil {
						err = errors.Join(outer.Put(key, make([]byte, (i*round)%9000)), inner.Put(key, key))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		path := db.Path()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	for name, content := range map[string][]byte{"of bleve": boltFile(t), "large": large(t)} {
		got, err := readBolt(content)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		db := openBolt(t, content)
		err = db.View(func(tx *bbolt.Tx) error {
			n := sameAsBolt(t, got.buckets["s"], tx.Bucket([]byte("s")))
			t.Logf("%s: %d keys in %d bytes", name, n, len(content))
			if n < 10 {
				t.Errorf("%s: %d keys, want at least 10", name, n)
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// bbolt opens, reads and writes each damaged database that this package accepts, without a panic.
func TestReadBoltDamaged(t *testing.T) {
	content := boltFile(t)
	r := &boltReader{content: content, seen: map[uint64]bool{0: true, 1: true}}
	root, freelist, err := r.readMeta()
	if err := errors.Join(err, r.readPage(root, newBoltBucket()), r.readFreelist(freelist)); err != nil {
		t.Fatal(err)
	}
	step := uint64(29)
	if os.Getenv("CI") == "true" {
		step = 11
	}
	path := filepath.Join(t.TempDir(), rootFile)
	refused, harmless := 0, 0
	for page := range r.seen {
		for i := page * r.pageSize; i < page*r.pageSize+200; i += step {
			for _, flip := range []byte{0xff, 1} {
				content[i] ^= flip
				_, err := readBolt(content)
				if err != nil {
					refused++
				} else {
					harmless++
					err = guard(func() error { return useBolt(path, content) })
				}
				if _, panicked := errors.AsType[*panicError](err); panicked {
					t.Errorf("byte %d of page %d is changed: %v", i%r.pageSize, page, err)
				}
				content[i] ^= flip
			}
		}
	}
	t.Logf("of the changes in %d pages, %d were refused and %d accepted", len(r.seen), refused, harmless)
	if refused < 10 || harmless < 10 {
		t.Errorf("%d changes were refused and %d accepted, want at least 10 of each", refused, harmless)
	}
}

// useBolt opens a database with bbolt as bleve does, reads all of it, and writes to it.
func useBolt(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte("s"))
		if err != nil {
			return err
		}
		return errors.Join(readAll(bucket), bucket.Put([]byte("x"), make([]byte, 10000)))
	})
	return errors.Join(err, db.Close())
}

func readAll(bucket *bbolt.Bucket) error {
	return bucket.ForEach(func(key, value []byte) error {
		if value != nil {
			return nil
		}
		return readAll(bucket.Bucket(key))
	})
}

// The reader neither panics nor hangs, whatever the content.
func FuzzReadBolt(f *testing.F) {
	content := boltFile(f)
	f.Add(content)
	f.Add(content[:len(content)/2])
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, content []byte) {
		if root, err := readBolt(content); err == nil {
			_, _ = segmentsOf(root)
		}
	})
}
