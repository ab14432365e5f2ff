package reindex

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// keptPrefix begins the name of a kept generation's pin. When the generation was replaced, it had all changes up to the
// pin. It lacks those after it.
const keptPrefix = "kept-"

// liveGeneration returns the name of the live generation if the index may keep it once it is replaced. It returns an
// empty name otherwise, or if the index is so damaged that the live generation is not known.
func (s *streams) liveGeneration(ctx context.Context, tenant string) (string, error) {
	infos, err := s.generations(ctx, tenant)
	if errors.Is(err, ErrDamaged) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking up the generation that is replaced: %w", err)
	}
	for _, info := range infos {
		if info.Live {
			return info.Name, nil
		}
	}
	return "", nil
}

// generations returns the tenant's generations; none if the index does not keep generations.
func (s *streams) generations(ctx context.Context, tenant string) (infos []GenerationInfo, err error) {
	rollbacker, ok := As[Rollbacker](s.ix)
	if !ok {
		return nil, nil
	}
	err = s.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			infos, err = rollbacker.Generations(ctx, tenant)
			return err
		})
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	return infos, err
}

// keepFrom keeps the changes after a position for a generation that is about to be replaced. The caller holds the
// tenant's updates.
func (s *streams) keepFrom(ctx context.Context, tenant, generation string, position int64) error {
	if generation == "" {
		return nil
	}
	err := s.unpinKept(ctx, tenant, generation) // from an earlier time as a kept generation
	if err == nil {
		err = s.cfg.Retry.Do(ctx, func() error {
			return contain(func() error {
				_, err := s.log.Pin(ctx, tenant, keptPrefix+generation, position, 0)
				return err
			})
		})
	}
	if err != nil {
		return fmt.Errorf("keeping changes for %s, which is replaced: %w", generation, err)
	}
	return nil
}

// unpinKept removes the pin of a kept generation.
func (s *streams) unpinKept(ctx context.Context, tenant, generation string) error {
	return s.cfg.Retry.Do(ctx, func() error {
		return contain(func() error { return s.log.Unpin(ctx, tenant, keptPrefix+generation) })
	})
}

// releaseKept removes the pins of generations that are gone or live again. Only the tenant's run in progress calls it,
// and not during its switch-over. So nobody replaces the live generation meanwhile.
func (s *streams) releaseKept(ctx context.Context, tenant string) {
	if _, ok := As[Rollbacker](s.ix); !ok {
		return
	}
	infos, err := s.generations(ctx, tenant)
	if err == nil {
		err = s.releaseBut(ctx, tenant, infos)
	}
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "changes are kept longer than needed", "tenant", tenant, "error", err)
	}
}

// releaseBut removes the pins of all generations except the kept ones in infos.
func (s *streams) releaseBut(ctx context.Context, tenant string, infos []GenerationInfo) error {
	pins, err := s.pins(ctx, tenant)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if !info.Live {
			delete(pins, keptPrefix+info.Name)
		}
	}
	for name := range pins {
		if generation, ok := strings.CutPrefix(name, keptPrefix); ok {
			err = errors.Join(err, s.unpinKept(ctx, tenant, generation))
		}
	}
	return err
}

func (s *streams) pins(ctx context.Context, tenant string) (pins map[string]int64, err error) {
	err = s.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			pins, err = s.log.Pins(ctx, tenant)
			return err
		})
	})
	return pins, err
}

// lackedFrom returns the position after which a kept generation lacks changes.
func (s *streams) lackedFrom(ctx context.Context, tenant, generation string) (int64, error) {
	pins, err := s.pins(ctx, tenant)
	if err != nil {
		return 0, err
	}
	if position, pinned := pins[keptPrefix+generation]; pinned {
		return position, nil
	}
	state := ChangeState{}
	err = s.cfg.Retry.Do(ctx, func() error {
		return contain(func() (err error) {
			state, err = s.log.State(ctx, tenant)
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	infos, err := s.generations(ctx, tenant)
	if err != nil {
		return 0, err
	}
	edited := state.Head > 0
	for _, info := range infos {
		edited = edited || info.Edited
	}
	if edited {
		return 0, &GateError{RuleCurrent, 0, 0, fmt.Sprintf(
			"products were changed, and it is not known which changes %s lacks: going back would undo some of them; "+
				"reindex the tenant, and keep changes in a log that outlives the process (Changes)", generation)}
	}
	return 0, nil // nothing was ever changed
}
