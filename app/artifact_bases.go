package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/merge"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// keepBases is how long a version can be the base of a merge after it was replaced.
	keepBases = time.Hour
	// maxBases bounds the versions back to a base, and maxBasesBytes the deltas of an
	// artifact. Editors save with every keystroke, which makes a delta of about 60 bytes.
	maxBases      = 20_000
	maxBasesBytes = 1 << 20
	// maxDelta is the largest delta of one change: some 250 blocks that are all new. What
	// was before a larger one can be a base only while it is a kept version.
	maxDelta = 4 << 10

	maxConflicts     = 20   // that an answer shows
	maxConflictBytes = 2000 // of each of its texts
)

func stateOf(kind, title string, content store.JSON) merge.State {
	return merge.State{Kind: kind, Title: title, Content: string(content)}
}

// keepBase keeps what an artifact was at the version that has just been replaced, so that a
// change of that version can be merged.
func (s *artifacts) keepBase(ctx context.Context, tx *store.Tx, before, after *store.Artifact) error {
	if before.Version == after.Version {
		return nil
	}
	delta := store.ToJSON(merge.DeltaOf(stateOf(after.Type, after.Title, after.Content), stateOf(before.Type, before.Title, before.Content)))
	if len(delta) > maxDelta {
		return nil
	}
	now := s.now.instant()
	return tx.KeepArtifactBase(ctx, &store.ArtifactBase{ArtifactID: after.ID, Version: before.Version, KeptAt: now, Delta: delta}, now.Add(-keepBases), maxBasesBytes)
}

// base returns what an artifact was at an earlier version: from the bases, which lead there
// step by step, or else from a kept version.
func (s *artifacts) base(ctx context.Context, tx *store.Tx, f *store.Artifact, version int) (merge.Outline, error) {
	if f.Version-version <= maxBases {
		rows, err := tx.ArtifactBases(ctx, f.ID, version, maxBases)
		if err != nil {
			return nil, err
		}
		if outline, ok := steppedBack(merge.OutlineOf(stateOf(f.Type, f.Title, f.Content)), f.Version, rows); ok && len(rows) == f.Version-version {
			return outline, nil
		}
	}
	v, err := tx.ArtifactVersion(ctx, f.ID, version)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errorf(KindConflict, wording.BaseGone, "What the artifact was at version %d is not known any more; it is version %d now. Load it again.", version, f.Version)
	}
	if err != nil {
		return nil, err
	}
	return merge.OutlineOf(stateOf(f.Type, v.Title, v.Content)), nil
}

// steppedBack applies the deltas of bases, newest first; ok is false when one is missing.
func steppedBack(outline merge.Outline, version int, rows []store.ArtifactBase) (_ merge.Outline, ok bool) {
	for _, row := range rows {
		var d merge.Delta
		if version--; row.Version != version || json.Unmarshal([]byte(row.Delta), &d) != nil {
			return nil, false
		}
		if outline, ok = d.Apply(outline); !ok {
			return nil, false
		}
	}
	return outline, true
}

// mergeOrApply applies a change that check has accepted. If it was made to an earlier
// version, it is merged with what was changed since.
func (s *artifacts) mergeOrApply(ctx context.Context, tx *store.Tx, f *store.Artifact, c ArtifactChange) error {
	b := c.BaseVersion
	switch {
	case !b.Sent || b.Null || b.Value == f.Version:
		return s.apply(f, c)
	case b.Value < 1:
		return invalid("base_version", "must be %v or more", 1)
	case b.Value > f.Version:
		return invalid("base_version", "is newer than the artifact, which is version %d", f.Version)
	}
	base, err := s.base(ctx, tx, f, b.Value)
	if err != nil {
		return err
	}
	mine := merge.Change{Partial: f.Type == ArtifactTask}
	if c.Title.Sent {
		mine.Title = &c.Title.Value
	}
	if c.Content.Sent {
		content := string(c.Content.Value)
		mine.Content = &content
	}
	merged, conflicts := merge.Merge(base, stateOf(f.Type, f.Title, f.Content), mine)
	if len(conflicts) > 0 {
		return mergeConflict(f, conflicts)
	}
	if most := int(s.limits.ArtifactBytes); len(merged.Content) > most {
		return contentTooLarge(len(merged.Content), most)
	}
	f.Title, f.Content, f.ContentBytes = merged.Title, store.JSON(merged.Content), int64(len(merged.Content))
	return nil
}

// mergeConflict is the error with the texts of the blocks that two have changed.
func mergeConflict(f *store.Artifact, conflicts []merge.Conflict) *Error {
	e := errorf(KindConflict, wording.MergeConflict, "%d blocks were changed by you and by others; the artifact is version %d now. Choose for each, then save again.",
		len(conflicts), f.Version)
	cut := func(text *string) *string {
		if text == nil {
			return nil
		}
		short := store.Cut(*text, maxConflictBytes)
		return &short
	}
	for _, c := range conflicts[:min(len(conflicts), maxConflicts)] {
		e.Conflicts = append(e.Conflicts, Conflict{Block: store.Cut(c.Block, maxConflictBytes), Yours: cut(c.Yours), Theirs: cut(c.Theirs)})
	}
	return e
}
