package bleveindex

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	pointerFile    = "live"
	pointerTemp    = "live.new"
	pointerVersion = "1"
)

// generationName matches the name of a generation's directory: its time of birth in UTC, and 64 random bits.
var generationName = regexp.MustCompile(`^g-\d{8}T\d{6}\.\d{9}Z-[0-9a-f]{16}$`)

// newGenerationName returns a name that no other generation has; later ones sort after earlier ones.
func newGenerationName() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("g-%s-%x", time.Now().UTC().Format("20060102T150405.000000000Z"), random)
}

// formatPointer returns the content of a pointer file: its version, the generation's name, and a checksum of both.
func formatPointer(generation string) string {
	content := pointerVersion + " " + generation
	return fmt.Sprintf("%s %08x\n", content, crc32.ChecksumIEEE([]byte(content)))
}

// parsePointer returns the generation that a pointer file names. The error matches [ErrDamaged].
func parsePointer(content string) (generation string, err error) {
	fields := strings.Fields(content)
	switch {
	case len(fields) == 3 && content == formatPointer(fields[1]) && generationName.MatchString(fields[1]):
		return fields[1], nil
	case len(fields) > 0 && fields[0] != pointerVersion && len(content) < 4096:
		return "", fmt.Errorf("%w: it is of version %.20q, this library knows version %s only", ErrDamaged, fields[0], pointerVersion)
	default:
		return "", fmt.Errorf("%w: %.100q", ErrDamaged, content)
	}
}

// readPointer returns the generation that is live in a tenant's directory. The error matches [fs.ErrNotExist] where none is, and
// [ErrDamaged] where the file, or the generation that it names, is not as it was written.
func readPointer(dir string) (generation string, err error) {
	path := filepath.Join(dir, pointerFile)
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	generation, err = parsePointer(string(content))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if _, err := os.Stat(filepath.Join(dir, generation)); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // generationName has no separators
		return "", fmt.Errorf("%s: %w: it names %s, which is gone", path, ErrDamaged, generation)
	}
	return generation, nil
}

// writePointer makes generation the live one of a tenant's directory, atomically. With replaced false nothing has changed; with true
// it is live, and an error says that a power cut might still undo it.
func writePointer(dir, generation string) (replaced bool, err error) {
	temp := filepath.Join(dir, pointerTemp)
	if err := writeSynced(temp, formatPointer(generation)); err != nil {
		return false, err
	}
	if err := os.Rename(temp, filepath.Join(dir, pointerFile)); err != nil {
		return false, err
	}
	return true, syncDir(dir)
}
