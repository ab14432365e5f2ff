package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// segment is a segment of a path.
type segment struct {
	kind segmentKind
	name string
}

type segmentKind int

const (
	segmentName segmentKind = iota // one member, by its name
	segmentOne                     // *: any member
	segmentMany                    // **: any number of nested members, including none
)

// paths are the patterns that a field path can match.
type paths [][]segment

// position is a place in a pattern. The segments before it have been matched.
type position struct{ path, segment int }

// parsePaths parses patterns; see [Select] for their form.
func parsePaths(patterns []string) (paths, error) {
	if len(patterns) == 0 {
		return nil, errors.New("source: no field path was given")
	}
	parsed := make(paths, len(patterns))
	for i, pattern := range patterns {
		segments, err := parsePath(pattern)
		if err != nil {
			return nil, fmt.Errorf("source: field path %q: %w", pattern, err)
		}
		parsed[i] = segments
	}
	return parsed, nil
}

func parsePath(pattern string) ([]segment, error) {
	var segments []segment
	var name strings.Builder
	stars, escaped := 0, false
	end := func() error {
		s := segment{kind: segmentName, name: name.String()}
		switch {
		case stars > 2 || stars > 0 && s.name != "":
			return errors.New("* and ** must be whole segments")
		case stars > 0:
			s.kind = segmentKind(stars)
		case s.name == "":
			return errors.New("a segment is empty")
		}
		segments = append(segments, s)
		name.Reset()
		stars = 0
		return nil
	}
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case escaped:
			name.WriteByte(c)
			escaped = false
		case c == '\\':
			escaped = true
		case c == '*':
			stars++
		case c == '.':
			if err := end(); err != nil {
				return nil, err
			}
		default:
			name.WriteByte(c)
		}
	}
	if escaped {
		return nil, errors.New(`it ends with a backslash, which must be followed by a character`)
	}
	return segments, end()
}

// start appends the positions before the first member.
func (p paths) start(dst []position) []position {
	for i := range p {
		dst, _ = p.add(dst, 0, position{path: i})
	}
	return dst
}

// step appends the positions after a member that is reached at the positions at. full reports whether a pattern is
// matched as a whole.
func (p paths) step(dst, at []position, name []byte) (next []position, full bool) {
	base := len(dst)
	for _, pos := range at {
		s := p[pos.path][pos.segment]
		if s.kind == segmentName && s.name != string(name) {
			continue
		}
		if s.kind != segmentMany {
			pos.segment++
		}
		var matched bool
		dst, matched = p.add(dst, base, pos)
		full = full || matched
	}
	return dst, full
}

// add appends a position, and the positions that ** can reach without a member. It skips those that are already in
// dst[base:].
func (p paths) add(dst []position, base int, pos position) (positions []position, full bool) {
	for ; pos.segment < len(p[pos.path]); pos.segment++ {
		if !slices.Contains(dst[base:], pos) {
			dst = append(dst, pos)
		}
		if p[pos.path][pos.segment].kind != segmentMany {
			return dst, false
		}
	}
	return dst, true
}
