package bleveindex

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kept is a replaced generation that a rollback can make live again.
type kept struct {
	generation string
	replaced   time.Time // in whole milliseconds
}

// formatKept returns a list of kept generations in the format of the pointer file.
func formatKept(list []kept) string {
	words := make([]string, len(list))
	for i, k := range list {
		words[i] = fmt.Sprintf("%s@%d", k.generation, k.replaced.UnixMilli())
	}
	return strings.Join(words, ",")
}

var keptGeneration = regexp.MustCompile(`^(g-[^@,]*)@(\d{1,18})$`)

// parseKept parses the result of formatKept. It reports false for any other text.
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

// keeps returns the generations in list that Config still keeps. Both lists begin with the one replaced last.
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

// next returns the pointer after the switch from p to a generation. The generation of p is kept only if whole is set.
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

// has reports whether the list has the generation.
func has(list []kept, generation string) bool {
	return slices.ContainsFunc(list, func(k kept) bool { return k.generation == generation })
}
