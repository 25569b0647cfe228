package app

import (
	"context"
	"io"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// pictureWithin bounds how long an answer waits for pictures that lie in a folder or in S3.
const pictureWithin = 10 * time.Second

// pictures reads the images of those of the files that messages of a room show now, most
// bytes at most; files that come first have precedence. Two statements read what lies in
// the database, however many there are. What cannot be read now keeps no agent from
// answering.
func (s *fileStorage) pictures(ctx context.Context, roomID string, fileIDs []string, most int64) (map[string]llm.Picture, error) {
	var rows []store.Picture
	var pieces []store.BlobChunk
	err := s.background.Do(ctx, func() (err error) {
		if rows, err = s.db.PicturesShown(ctx, roomID, fileIDs); err != nil {
			return err
		}
		rows = withinBytes(rows, fileIDs, most)
		var here []string
		chunks := 0
		for _, p := range rows {
			if p.Storage == inDatabase {
				here = append(here, p.BlobID)
				chunks += int((p.Size + chunkBytes - 1) / chunkBytes)
			}
		}
		if len(here) > 0 {
			pieces, err = s.db.BlobChunks(ctx, here, chunks)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for _, c := range pieces {
		data[c.BlobID] = append(data[c.BlobID], c.Data...)
	}
	ctx, cancel := context.WithTimeout(ctx, pictureWithin)
	defer cancel()
	out := map[string]llm.Picture{}
	for _, p := range rows {
		if p.Storage != inDatabase {
			data[p.BlobID] = s.whole(ctx, &p)
		}
		if int64(len(data[p.BlobID])) == p.Size { // else it was dropped meanwhile
			out[p.FileID] = llm.Picture{ID: p.FileID, Type: p.Type, Data: data[p.BlobID]}
		}
	}
	return out, nil
}

// withinBytes returns the pictures in the order of ids, without those that would be too
// much.
func withinBytes(rows []store.Picture, ids []string, most int64) (out []store.Picture) {
	by := make(map[string]store.Picture, len(rows))
	for _, p := range rows {
		by[p.FileID] = p
	}
	for _, id := range ids {
		if p, ok := by[id]; ok && p.Size > 0 && p.Size <= most {
			most -= p.Size
			out = append(out, p)
		}
	}
	return out
}

// whole reads an image outside the database, nil when it cannot be read.
func (s *fileStorage) whole(ctx context.Context, p *store.Picture) []byte {
	at, configured := s.stores[p.Storage]
	if !configured {
		return nil
	}
	in, err := at.Open(ctx, p.BlobID, 0, p.Size)
	if err != nil {
		s.log.WarnContext(ctx, "a picture cannot be read for an agent", "storage", p.Storage, "err", err)
		return nil
	}
	defer func() { _ = in.Close() }() // it is read
	data, err := io.ReadAll(io.LimitReader(in, p.Size))
	if err != nil {
		s.log.WarnContext(ctx, "a picture cannot be read for an agent", "storage", p.Storage, "err", err)
		return nil
	}
	return data
}
