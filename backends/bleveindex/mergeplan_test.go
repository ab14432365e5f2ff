package bleveindex

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2/index/scorch/mergeplan"
)

// plannedSegment is a segment of a simulated index.
type plannedSegment struct {
	id         uint64
	full, live int64
}

func (s *plannedSegment) Id() uint64          { return s.id } //nolint:revive // of mergeplan.Segment
func (s *plannedSegment) FullSize() int64     { return s.full }
func (s *plannedSegment) LiveSize() int64     { return s.live }
func (s *plannedSegment) HasVector() bool     { return false }
func (s *plannedSegment) FileSize() int64     { return s.full }
func (s *plannedSegment) LiveFileSize() int64 { return s.live }

// planned simulates the merges of an index. Its segments have sizes, but no documents.
type planned struct {
	options  mergeplan.MergePlanOptions
	segments []mergeplan.Segment
	next     uint64
	merged   int64 // the number of products that merges have written
	most     int   // the largest number of segments
}

func (p *planned) add(documents int64) {
	p.next++
	p.segments = append(p.segments, &plannedSegment{p.next, documents, documents})
}

// change deletes random products from their segments, adds a segment of as many products, and merges.
func (p *planned) change(t *testing.T, random *rand.Rand, total, products int64) {
	t.Helper()
	for range products {
		at := random.Int64N(total)
		for _, s := range p.segments {
			if at -= s.LiveSize(); at >= 0 {
				continue
			}
			if s, ok := s.(*plannedSegment); ok {
				s.live--
			}
			break
		}
	}
	p.add(products)
	p.merge(t)
}

func (p *planned) merge(t *testing.T) {
	t.Helper()
	for {
		plan, err := mergeplan.Plan(p.segments, &p.options)
		if err != nil {
			t.Fatal(err)
		}
		if plan == nil || len(plan.Tasks) == 0 {
			break
		}
		for _, task := range plan.Tasks {
			var sum int64
			for _, s := range task.Segments {
				sum += s.LiveSize()
			}
			p.segments = slices.DeleteFunc(p.segments,
				func(s mergeplan.Segment) bool { return slices.Contains(task.Segments, s) })
			p.merged += sum
			if sum > 0 {
				p.add(sum)
			}
		}
	}
	p.most = max(p.most, len(p.segments))
}

// Changes of an index cause merges of few products. The index has few segments, and few of their products are replaced
// ones.
func TestChangingPlan(t *testing.T) {
	options, err := json.Marshal(changingPlan)
	if err != nil {
		t.Fatal(err)
	}
	for _, products := range []int64{5000, 47500} {
		for _, group := range []int64{1, 10, 100} {
			p := &planned{options: mergeplan.DefaultMergePlanOptions}
			if err := json.Unmarshal(options, &p.options); err != nil {
				t.Fatal(err)
			}
			loaded := min(products/500, 20)
			for range loaded {
				p.add(products / loaded)
			}
			random := rand.New(rand.NewPCG(1, 2))
			const changes = 20_000
			for range changes / group {
				p.change(t, random, products, group)
			}
			var live, full int64
			for _, s := range p.segments {
				live, full = live+s.LiveSize(), full+s.FullSize()
			}
			perChange := float64(p.merged) / changes
			if perChange > 8 || p.most > 35 || float64(live)/float64(full) < 0.45 {
				t.Errorf("%d products, changed in groups of %d: %.1f products merged per change, want at most 8; "+
					"up to %d segments, want at most 35; %d of %d products are live at the end, want at least 45 %%",
					products, group, perChange, p.most, live, full)
			}
		}
	}
}
