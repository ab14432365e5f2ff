package bleveindex

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kept is a generation that was live, and that a tenant can go back to.
type kept struct {
	generation string
	replaced   time.Time // in whole milliseconds
}

// formatKept returns a list of kept generations as the pointer file has it.
func formatKept(list []kept) string {
	words := make([]string, len(list))
	for i, k := range list {
		words[i] = fmt.Sprintf("%s@%d", k.generation, k.replaced.UnixMilli())
	}
	return strings.Join(words, ",")
}

var keptGeneration = regexp.MustCompile(`^(g-[^@,]*)@(\d{1,18})$`)

// parseKept reads what formatKept returns, and reports whether it is that.
func parseKept(content string) (list []kept, ok bool) {
	for word := range strings.SplitSeq(content, ",") {
		match := keptGeneration.FindStringSubmatch(word)
		if match == nil || !generationName.MatchString(match[1]) {
			return nil, false
		}
		ms, err := strconv.ParseInt(match[2], 10, 64)
		if err != nil {
			return nil, false
		}
		list = append(list, kept{match[1], time.UnixMilli(ms).UTC()})
	}
	return list, true
}

// keeps returns which of the generations, of which that which was replaced last comes first, are still to be kept.
func (c *Config) keeps(list []kept, now time.Time) []kept {
	list = list[:min(len(list), c.KeepPrevious)]
	if c.KeepFor > 0 {
		i := slices.IndexFunc(list, func(k kept) bool { return now.Sub(k.replaced) > c.KeepFor })
		if i >= 0 {
			list = list[:i]
		}
	}
	return list
}

// next returns the pointer after the switch from p to a generation. whole reports whether what p names is as it was
// written, so that it is worth keeping.
func (p pointer) next(generation string, documents int64, whole bool, now time.Time) pointer {
	next := pointer{generation: generation, documents: documents}
	if whole && p.generation != "" && p.generation != generation {
		next.kept = append(next.kept, kept{p.generation, now.Truncate(time.Millisecond)})
	}
	for _, k := range p.kept {
		if k.generation != generation && k.generation != p.generation {
			next.kept = append(next.kept, k)
		}
	}
	return next
}

// has reports whether a generation is among the kept ones.
func has(list []kept, generation string) bool {
	return slices.ContainsFunc(list, func(k kept) bool { return k.generation == generation })
}
