package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/wording"
)

// Meta is what anybody may know of a server. Nothing in it is secret, and nothing counts
// people.
type Meta struct {
	SetUp     bool // there is a super admin
	SignUp    bool // people make their own accounts, with a join code or an invitation
	Languages []wording.Lang
	Timezone  string // its IANA name; "" for that of the machine
	UTCOffset int    // of that zone now, in minutes
	Providers []string
	Email     bool // it sends e-mail
	Features  []string
	Limits    MetaLimits
}

// MetaLimits are the bounds that a client should know before it sends something.
type MetaLimits struct {
	MessageBytes, ArtifactBytes, AvatarBytes, BodyBytes int64
	FileBytes                                           int64
	FilesPerMessage                                     int
	PersonFileBytes, RoomFileBytes                      int64
	Pins, Bookmarks, Emoji                              int
	RestoreSeconds                                      int // for so long a deleted message can be restored
	MaxStreak                                           int
	ApprovalSeconds                                     int
	DeletedDays, EventsDays                             int
}

// features are what this version has beside the contract of older clients. A client that
// also talks to other versions shows what its server names. Names are added, never changed.
func features() []string {
	return []string{"archive", "artifact_merge", "bookmarks", "card_moves", "course_copies", "figures", "files", "mentions", "person_socket", "pins",
		"react_frame", "reactions", "read_marks", "replies", "room_include", "search"}
}

// Meta tells what a client has to know before anybody has signed in. Once the server is
// set up it reads no row.
func (a *App) Meta(ctx context.Context) (*Meta, error) {
	if !a.isSetUp.Load() {
		has, err := a.db.HasSuperAdmin(ctx)
		if err != nil {
			return nil, err
		}
		if has { // the last super admin stays, so this is never undone
			a.isSetUp.Store(true)
		}
	}
	c := a.cfg
	_, offset := a.now().In(c.Location()).Zone()
	return &Meta{SetUp: a.isSetUp.Load(), SignUp: c.Auth.SelfMadeAccounts,
		Languages: wording.Langs(), Timezone: c.Timezone, UTCOffset: offset / 60, Providers: a.Providers(),
		Features: features(),
		Limits: MetaLimits{MessageBytes: int64(c.Limits.MessageBytes), ArtifactBytes: int64(c.Limits.ArtifactBytes), AvatarBytes: maxAvatar,
			BodyBytes: int64(c.HTTP.BodyLimit), FileBytes: int64(c.Files.UploadLimit), FilesPerMessage: c.Files.PerMessage,
			PersonFileBytes: int64(c.Files.PerPerson), RoomFileBytes: int64(c.Files.PerRoom), Pins: maxPins, Bookmarks: maxBookmarks, Emoji: maxEmoji,
			RestoreSeconds: int(restoreWithin.Seconds()), MaxStreak: c.Turns.MaxStreak,
			ApprovalSeconds: int(c.Turns.ApprovalWithin.Seconds()), DeletedDays: c.Retention.DeletedDays, EventsDays: c.Retention.EventsDays}}, nil
}
