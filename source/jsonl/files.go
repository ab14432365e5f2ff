package jsonl

import (
	"fmt"
	"io/fs"

	"productindex/source/internal/files"
)

// endings are those of files that hold products, without compression.
var endings = []string{".jsonl", ".ndjson"}

// find opens the file system and returns the names of the tenant's files in it. The caller calls done.
func (s *Source) find(tenant string) (fsys fs.FS, names []string, done func(), err error) {
	folder := files.Folder{Open: s.open, Endings: endings, Files: s.cfg.Files}
	fsys, names, done, err = folder.Find(tenant)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("jsonl: %w", err)
	}
	return fsys, names, done, nil
}
