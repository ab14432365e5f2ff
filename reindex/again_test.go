package reindex_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// forgetful is an Indexer whose first generations return ErrAgain in the middle of a load.
type forgetful struct {
	reindex.Indexer

	learn, begun int  // the number of generations that return ErrAgain, and of all generations
	late         bool // Flush returns ErrAgain, not Write
}

func (f *forgetful) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	gen, err := f.Indexer.Begin(ctx, tenant)
	f.begun++
	if err != nil || f.begun > f.learn {
		return gen, err
	}
	return &learning{Generation: gen, late: f.late}, nil
}

type learning struct {
	reindex.Generation

	writes int
	late   bool
}

func (l *learning) Write(ctx context.Context, batch []reindex.Product) error {
	if l.writes++; l.writes == 3 && !l.late {
		return fmt.Errorf("a field is of another type: %w", reindex.ErrAgain)
	}
	return l.Generation.Write(ctx, batch)
}

// If late is set, Flush returns ErrAgain instead of Write.
func (l *learning) Flush(ctx context.Context) ([]reindex.ItemError, error) {
	if l.late {
		return nil, fmt.Errorf("a field is of another type: %w", reindex.ErrAgain)
	}
	return l.Generation.Flush(ctx)
}

// If the index returns ErrAgain, the run reads its source again, up to 20 times. The report counts only the last read.
func TestAgain(t *testing.T) {
	for i, learn := range []int{0, 1, 3, 20, 1000, 1, 20, 1000} {
		late := i >= 5
		t.Run(fmt.Sprintf("%d,late=%v", learn, late), func(t *testing.T) {
			index := &forgetful{Indexer: reindextest.NewMemory(), learn: learn, late: late}
			products := append(reindextest.Products(50, "1"), reindextest.NewProduct("p0", map[string]any{"rev": "twice"}))
			engine, err := reindex.New(reindextest.Slice(products), index,
				&reindex.Config{BatchDocs: 10, Workers: 1, MaxDuplicates: -1})
			if err != nil {
				t.Fatal(err)
			}
			report, err := engine.Run(t.Context(), "acme")
			if learn == 1000 {
				if !errors.Is(err, reindex.ErrAgain) || index.begun != 21 {
					t.Errorf("%d generations, error %v; want 21 and ErrAgain", index.begun, err)
				}
				return
			}
			if err != nil || index.begun != learn+1 || report.Read != int64(len(products)) ||
				report.Indexed+report.Duplicates != report.Read {
				t.Errorf("%d generations, report %+v, error %v, want %d generations and %d products read",
					index.begun, report, err, learn+1, len(products))
			}
		})
	}
}
