package bleveindex

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"productindex/reindex"
)

// Two small files identify the live generation. The pointer in a tenant's directory names the live generation. The mark
// in a generation's directory records whether the pointer has ever named it. Each file is one line that ends in a
// checksum.
const (
	pointerFile    = "live"
	pointerTemp    = "live.new"
	pointerVersion = "2"
	pointerKeeps   = "3" // like pointerVersion, with a list of kept generations
	pointerNothing = "-" // instead of a name if there is no live generation

	markFile    = "mark"
	markTemp    = "mark.new"
	markLoading = "1 loading" // written by Begin
	markEdited  = " edited"   // follows the number of documents if some of them were changed after the load
	// followed by the number of documents; written just before the pointer names the generation, and after updates
	markLive = "1 live"

	unknown = -1 // instead of a number of documents
)

// pointer is the content of a pointer file: the live generation, and the number of its documents at Seal, or unknown.
// After updates, the number in the generation's mark is the current one.
type pointer struct {
	generation string
	documents  int64
	kept       []kept // the one replaced last comes first
}

// line returns the content of a file as a line with its checksum.
func line(content string) string {
	return fmt.Sprintf("%s %08x\n", content, crc32.ChecksumIEEE([]byte(content)))
}

// format returns the content of a pointer file.
func (p pointer) format() string {
	name := p.generation
	if name == "" {
		name = pointerNothing
	}
	if len(p.kept) == 0 {
		return line(fmt.Sprintf("%s %s %d", pointerVersion, name, p.documents))
	}
	return line(fmt.Sprintf("%s %s %d %s", pointerKeeps, name, p.documents, formatKept(p.kept)))
}

var pointerVersions = []string{"1", pointerVersion, pointerKeeps}

// parsePointer reads the content of a pointer file. The error matches [reindex.ErrDamaged].
func parsePointer(content string) (pointer, error) {
	fields := strings.Fields(content)
	keeps := len(fields) == 5 && fields[0] == pointerKeeps
	switch {
	case keeps, len(fields) == 4 && fields[0] == pointerVersion:
		p := pointer{generation: fields[1]}
		if keeps {
			if p.kept, keeps = parseKept(fields[3]); !keeps {
				break
			}
		}
		var err error
		p.documents, err = strconv.ParseInt(fields[2], 10, 64)
		if p.generation == pointerNothing {
			p.generation = ""
		}
		if err == nil && p.documents >= unknown && content == p.format() &&
			(p.generation == "" || generationName.MatchString(p.generation)) {
			return p, nil
		}
	case len(fields) == 3 && fields[0] == "1": // the format of earlier releases
		if content == line("1 "+fields[1]) && generationName.MatchString(fields[1]) {
			return pointer{generation: fields[1], documents: unknown}, nil
		}
	case len(fields) > 0 && !slices.Contains(pointerVersions, fields[0]) && len(content) < 4096:
		return pointer{}, damaged("it has version %.20q; this library supports versions up to %s", fields[0], pointerKeeps)
	}
	return pointer{}, damaged("its content is %.100q", content)
}

// readPointer reads the pointer in a tenant's directory. The error matches [reindex.ErrNoLiveIndex] if it is certain
// that there is none, and [reindex.ErrDamaged] if the pointer or the generation that it names is missing or damaged.
// After such an error, p holds whatever is known.
func readPointer(dir string) (p pointer, err error) {
	path := filepath.Join(dir, pointerFile)
	content, err := os.ReadFile(path) //nolint:gosec // the path is the index's own
	if errors.Is(err, fs.ErrNotExist) {
		return withoutPointer(dir, nil)
	}
	if err != nil {
		return pointer{documents: unknown}, err
	}
	p, err = parsePointer(string(content))
	if err != nil {
		return withoutPointer(dir, fmt.Errorf("%s: %w", path, err))
	}
	if p.generation == "" {
		return p, reindex.ErrNoLiveIndex
	}
	_, err = os.Stat(filepath.Join(dir, p.generation)) //nolint:gosec // generationName has no separators
	if !errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	now, err := os.ReadFile(path) //nolint:gosec // the path is the index's own
	if err == nil && string(now) != string(content) {
		return readPointer(dir) // another process has switched and removed the generation
	}
	return p, damaged("%s names %s, which does not exist", path, p.generation)
}

// withoutPointer returns whatever is known about a tenant whose pointer is missing or, if cause is not nil, damaged. If
// the pointer is missing although a generation may have been live, it was lost, and the error matches
// [reindex.ErrDamaged].
func withoutPointer(dir string, cause error) (pointer, error) {
	p := pointer{documents: unknown}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return p, reindex.ErrNoLiveIndex
	}
	if err != nil {
		return p, errors.Join(cause, err)
	}
	var lived []pointer
	for _, entry := range entries {
		if !generationName.MatchString(entry.Name()) {
			continue
		}
		if m := readMark(filepath.Join(dir, entry.Name())); !m.loading {
			lived = append(lived, pointer{generation: entry.Name(), documents: m.documents})
		}
	}
	switch {
	case cause == nil && len(lived) == 0:
		return p, reindex.ErrNoLiveIndex
	case len(lived) == 1:
		// This is the generation that the pointer named, or a recent one of a similar size.
		p.documents = lived[0].documents
	}
	if cause == nil {
		cause = damaged("%s is missing, but %s was live", filepath.Join(dir, pointerFile), lived[0].generation)
	}
	return p, cause
}

// writePointer writes the pointer of a tenant's directory. Its results are those of replace.
func (d disk) writePointer(dir string, p pointer) (replaced bool, err error) {
	return d.replace(filepath.Join(dir, pointerFile), filepath.Join(dir, pointerTemp), p.format())
}

// writeMark writes the mark of a generation.
func (d disk) writeMark(dir, content string) error {
	_, err := d.replace(filepath.Join(dir, markFile), filepath.Join(dir, markTemp), line(content))
	return err
}

// noteMark is like writeMark, but does not wait until the mark is on the disk.
func (d disk) noteMark(dir, content string) error {
	temp := filepath.Join(dir, markTemp)
	if err := os.WriteFile(temp, []byte(line(content)), 0o600); err != nil { //nolint:gosec // the path is the index's own
		return err
	}
	return d.rename(temp, filepath.Join(dir, markFile))
}

// mark is the content of the mark of a generation.
type mark struct {
	loading   bool // it is certain that the generation was never live
	documents int64
	edited    bool
}

// liveMark returns the mark of a generation that was live, with its number of documents.
func liveMark(documents int64, edited bool) string {
	text := fmt.Sprintf("%s %d", markLive, documents)
	if edited {
		text += markEdited
	}
	return text
}

// readMark returns the mark of a generation, or an unknown mark if it cannot be read. Earlier releases wrote no marks.
// An empty directory is a generation that is being created, which was never live.
func readMark(dir string) mark {
	content, err := os.ReadFile(filepath.Join(dir, markFile)) //nolint:gosec // the path is the index's own
	if err == nil {
		return parseMark(string(content))
	}
	entries, err := os.ReadDir(dir)
	more := slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() != markTemp })
	return mark{loading: err == nil && !more, documents: unknown}
}

// parseMark parses the content of a mark. It returns an unknown mark if the content is not valid.
func parseMark(content string) mark {
	if content == line(markLoading) {
		return mark{loading: true, documents: unknown}
	}
	fields := strings.Fields(content)
	if len(fields) >= 4 && fields[0]+" "+fields[1] == markLive {
		n, err := strconv.ParseInt(fields[2], 10, 64)
		for _, edited := range []bool{false, true} {
			if err == nil && n >= 0 && content == line(liveMark(n, edited)) {
				return mark{documents: n, edited: edited}
			}
		}
	}
	return mark{documents: unknown}
}
