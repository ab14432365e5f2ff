package reindex

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// memoryChanges is a [ChangeLog] in memory.
type memoryChanges struct {
	limit int64 // of bytes per tenant

	mu      sync.Mutex
	tenants map[string]*memoryLog
}

// NewChanges returns a [ChangeLog] in memory for one engine, through which all changes and runs of a tenant must go. It
// keeps at most the given number of bytes of ids and bodies per tenant; 0 means the default of Config.ChangeBytes.
func NewChanges(bytes int) ChangeLog {
	if bytes <= 0 {
		bytes = defaultChangeBytes
	}
	return &memoryChanges{limit: int64(bytes), tenants: map[string]*memoryLog{}}
}

// memoryLog is the log of one tenant. It stays once it has had a change, so that no position is used twice.
type memoryLog struct {
	entries []memoryEntry
	state   ChangeState
	lost    int64 // the position up to which entries are not kept
	pins    map[string]memoryPin
	holder  string
	fence   int64
	wanted  bool // an urgent holder waits for the claim
}

type memoryEntry struct {
	ChangeEntry

	accepted time.Time
}

type memoryPin struct {
	position int64
	until    time.Time // zero: for good
}

// Lease is 0: nothing outlives the process.
func (*memoryChanges) Lease() time.Duration { return 0 }

// with calls f with the tenant's log, and drops the log if it was never used.
func (m *memoryChanges) with(tenant string, f func(l *memoryLog) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.tenants[tenant]
	if l == nil {
		l = &memoryLog{pins: map[string]memoryPin{}}
		m.tenants[tenant] = l
	}
	err := f(l)
	if len(l.pins) == 0 && l.fence == 0 && l.state.Head == 0 {
		delete(m.tenants, tenant)
	}
	if err != nil {
		return fmt.Errorf("tenant %s: %w", tenant, err)
	}
	return nil
}

func (m *memoryChanges) Append(_ context.Context, tenant string, changes []Change) (last int64, err error) {
	err = m.with(tenant, func(l *memoryLog) error {
		l.trim()
		size := bytesOf(changes)
		if !l.shed(m.limit - size) {
			return fmt.Errorf("%w: %d bytes are waiting, at most %d are allowed (ChangeBytes)",
				ErrChangesFull, l.state.Bytes, m.limit)
		}
		now := time.Now()
		for _, c := range changes {
			l.state.Head++
			l.entries = append(l.entries, memoryEntry{ChangeEntry{l.state.Head, c}, now})
		}
		l.state.Bytes += size
		last = l.state.Head
		return nil
	})
	return last, err
}

// shed drops the oldest applied entries until at most limit bytes are left, and reports whether that was possible.
func (l *memoryLog) shed(limit int64) bool {
	n := 0
	for l.state.Bytes > limit && n < len(l.entries) && l.entries[n].Position <= l.state.Applied {
		l.state.Bytes -= int64(l.entries[n].Change.Size())
		n++
	}
	l.drop(n)
	return l.state.Bytes <= limit || len(l.entries) == 0
}

// drop removes the first entries.
func (l *memoryLog) drop(n int) {
	if n > 0 {
		l.lost = l.entries[n-1].Position
		l.entries = slices.Delete(l.entries, 0, n)
	}
}

// trim drops the entries that neither the live index nor a pin needs.
func (l *memoryLog) trim() {
	oldest := l.state.Applied
	for name, p := range l.pins {
		if !p.until.IsZero() && time.Now().After(p.until) {
			delete(l.pins, name)
			continue
		}
		oldest = min(oldest, p.position)
	}
	n := 0
	for n < len(l.entries) && l.entries[n].Position <= oldest {
		l.state.Bytes -= int64(l.entries[n].Change.Size())
		n++
	}
	l.drop(n)
}

// next returns the index of the first entry after a position.
func (l *memoryLog) next(position int64) int {
	i, _ := slices.BinarySearchFunc(l.entries, position+1, func(e memoryEntry, p int64) int { return int(e.Position - p) })
	return i
}

func (m *memoryChanges) After(
	_ context.Context, tenant string, position int64, docs, bytes int,
) (entries []ChangeEntry, left int64, err error) {
	err = m.with(tenant, func(l *memoryLog) error {
		if position < l.lost {
			return ErrChangesLost
		}
		n, sum := l.next(position), 0
		for n < len(l.entries) && len(entries) < docs {
			size := l.entries[n].Change.Size()
			if len(entries) > 0 && sum+size > bytes {
				break
			}
			entries = append(entries, l.entries[n].ChangeEntry)
			sum += size
			n++
		}
		left = int64(len(l.entries) - n)
		return nil
	})
	return entries, left, err
}

func (m *memoryChanges) State(_ context.Context, tenant string) (state ChangeState, err error) {
	err = m.with(tenant, func(l *memoryLog) error {
		state = l.state
		state.Refused = slices.Clone(state.Refused)
		if i := l.next(state.Applied); i < len(l.entries) {
			state.Waiting = l.entries[i].accepted
		}
		return nil
	})
	return state, err
}

func (m *memoryChanges) Pin(
	_ context.Context, tenant, name string, position int64, lasting time.Duration,
) (int64, error) {
	err := m.with(tenant, func(l *memoryLog) error {
		l.trim()
		if position < 0 {
			position = l.state.Head
		}
		if p, ok := l.pins[name]; ok {
			position = p.position
		}
		if position < l.lost {
			return ErrChangesLost
		}
		p := memoryPin{position: position}
		if lasting > 0 {
			p.until = time.Now().Add(lasting)
		}
		l.pins[name] = p
		return nil
	})
	return position, err
}

func (m *memoryChanges) Unpin(_ context.Context, tenant, name string) error {
	return m.with(tenant, func(l *memoryLog) error {
		delete(l.pins, name)
		l.trim()
		return nil
	})
}

func (m *memoryChanges) Pins(_ context.Context, tenant string) (map[string]int64, error) {
	pins := map[string]int64{}
	err := m.with(tenant, func(l *memoryLog) error {
		l.trim()
		for name, p := range l.pins {
			pins[name] = p.position
		}
		return nil
	})
	return pins, err
}

func (m *memoryChanges) Claim(_ context.Context, tenant, holder string, urgent bool) (fence, applied int64, err error) {
	err = m.with(tenant, func(l *memoryLog) error {
		switch {
		case l.holder == holder:
		case l.holder != "" || l.wanted && !urgent:
			l.wanted = l.wanted || urgent
			return ErrClaimed
		default:
			l.holder, l.wanted = holder, false
			l.fence++
		}
		fence, applied = l.fence, l.state.Applied
		return nil
	})
	return fence, applied, err
}

func (m *memoryChanges) Release(_ context.Context, tenant string, fence int64) error {
	return m.with(tenant, func(l *memoryLog) error {
		if l.fence == fence {
			l.holder = ""
		}
		return nil
	})
}

func (m *memoryChanges) Applied(
	_ context.Context, tenant string, fence, from, position int64, refused []RefusedChange,
) error {
	return m.with(tenant, func(l *memoryLog) error {
		if l.holder == "" || l.fence != fence {
			return ErrClaimLost
		}
		if l.state.Applied >= from {
			l.state.Applied = max(l.state.Applied, min(position, l.state.Head))
		}
		l.state.Refused = AddRefused(l.state.Refused, refused)
		l.trim()
		return nil
	})
}

func (m *memoryChanges) Rewind(_ context.Context, tenant string, position int64) error {
	return m.with(tenant, func(l *memoryLog) error {
		if position < l.lost && position < l.state.Applied {
			return ErrChangesLost
		}
		l.state.Applied = min(l.state.Applied, position)
		return nil
	})
}

func (m *memoryChanges) Pending(context.Context) (tenants []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for tenant, l := range m.tenants {
		if l.state.Lag() > 0 {
			tenants = append(tenants, tenant)
		}
	}
	return tenants, nil
}

// lostChanges returns the error of a run that needs entries which the log has dropped.
func lostChanges(err error) error {
	if !errors.Is(err, ErrChangesLost) {
		return err
	}
	return &GateError{RuleCurrent, 0, 0,
		"more changes came during the reindex than are kept (ChangeBytes); the live index has them"}
}
