package app

import (
	"slices"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file alone says who may do what. Whatever acts for a person (a route, a socket
// frame, a job, a tool) asks Check with the actor, the action and the resource. What no
// rule grants is denied.

// The global roles of a user, from the least to the most powerful.
const (
	RoleGuest      = "guest"
	RoleStudent    = "student"
	RoleTA         = "ta"
	RoleTeacher    = "teacher"
	RoleAdmin      = "admin"
	RoleSuperAdmin = "super_admin"
)

// Actor is the person on whose behalf something happens.
type Actor struct {
	User      store.User
	SessionID string
	// ImpersonatorID is the super admin behind an impersonated session.
	ImpersonatorID string
	// MustSetUp says that the person has to set up two-factor sign-in before anything else.
	MustSetUp bool
	// TokenID is the personal access token that the actor came with, if any.
	TokenID string
	// Scopes limit what the token may be used for. They are nil for a session, which may
	// do everything that its person may do.
	Scopes []Scope

	// Lang is the language in which things are named that a request makes for the actor; ""
	// is English.
	Lang wording.Lang

	known *knownActor // what is kept of the actor, if anything
}

// Scope is a part of what a person may do. A token is made for one or more scopes.
type Scope string

// The scopes. An action needs ScopeWrite unless its rule says otherwise.
const (
	ScopeRead    Scope = "read"    // read things
	ScopeWrite   Scope = "write"   // change them
	ScopeAdmin   Scope = "admin"   // do what only admins may do
	scopeSession Scope = "session" // what no token may do: passwords, tokens, keys, admins' accounts, acting as somebody else
)

func (a *Actor) isAdmin() bool { return a.User.Role == RoleAdmin || a.User.Role == RoleSuperAdmin }

// Relation is how an actor stands to a resource, in addition to the global role.
type Relation uint32

// Every relation there is.
const (
	IsCourseOwner Relation = 1 << iota
	IsCourseTeacher
	IsCourseTA
	IsCourseStudent
	IsRoomMember // has a link to this very room
	IsOrganizationOwner
	IsOrganizationAdmin
	IsOrganizationMember
	IsProjectOwner
	IsProjectAdmin
	IsProjectEditor
	IsProjectMember
	IsProjectViewer
	IsCreator
	IsRemover         // deleted it, and may undo that
	IsSelf            // the person is the actor
	IsClassmate       // shares a course with the person
	IsStaffSomewhere  // is owner, teacher or TA of any course
	IsTeacherOfPerson // teaches the person, who has nothing outside such courses: see account.governed
)

const (
	courseStaff    = IsCourseOwner | IsCourseTeacher | IsCourseTA
	courseTeachers = IsCourseOwner | IsCourseTeacher
	courseMembers  = courseStaff | IsCourseStudent
	roomMembers    = courseMembers | IsRoomMember
	orgAdmins      = IsOrganizationOwner | IsOrganizationAdmin
	orgMembers     = orgAdmins | IsOrganizationMember
	projectAdmins  = IsProjectOwner | IsProjectAdmin
	projectWriters = IsProjectOwner | IsProjectAdmin | IsProjectEditor
	projectUsers   = projectWriters | IsProjectMember
	projectReaders = projectUsers | IsProjectViewer
)

// Resource is what an action is about: its noun for the text of a "not found", and the
// actor's relations to it. The zero value is for actions about nothing in particular.
type Resource struct {
	Noun      string
	Relations Relation
	Archived  bool // it is in an archived course, where one only reads
}

const (
	notEnough    = "Not enough permissions"
	notEnoughOrg = "Not enough permissions in organization"
)

// people is a set of global roles. A rule grants its action to one such set.
type people int

const (
	everybody people = iota + 1
	admins
	tasUp
	teachersUp
	superAdmins
)

var rolesOf = [...][]string{
	everybody:   {RoleGuest, RoleStudent, RoleTA, RoleTeacher, RoleAdmin, RoleSuperAdmin},
	admins:      {RoleAdmin, RoleSuperAdmin},
	tasUp:       {RoleTA, RoleTeacher, RoleAdmin, RoleSuperAdmin},
	teachersUp:  {RoleTeacher, RoleAdmin, RoleSuperAdmin},
	superAdmins: {RoleSuperAdmin},
}

// rule grants an action to global roles and to relations. A denial is a "not found" if
// hidden is set, otherwise a 403 with the text.
type rule struct {
	roles     people
	relations Relation
	hidden    bool
	text      string
	rejected  bool  // a denial is a 400, as the API's contract says
	archived  bool  // it changes something and may be done in an archived course too
	bots      bool  // a bot may do it too, if its relations allow it; without this a bot may not
	scope     Scope // ScopeWrite when empty
	// before says that a person may do it who has still to set up two-factor sign-in.
	before bool
}

var rules = map[Action]rule{
	ActPreview: {roles: everybody, text: notEnough, scope: ScopeRead},

	ActReadSelf: {roles: everybody, text: notEnough, scope: ScopeRead, bots: true, before: true},

	ActListModels: {roles: everybody, text: notEnough, scope: ScopeRead},

	ActListMyApprovals: {roles: everybody, text: notEnough, scope: ScopeRead},
	ActListMyAgents:    {roles: everybody, text: notEnough, scope: ScopeRead},
	ActReadPreferences: {roles: everybody, text: notEnough, scope: ScopeRead, before: true},
	ActSetPreferences:  {roles: everybody, text: notEnough, before: true},

	ActCreateUser:      {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActCreateAdminUser: {roles: superAdmins, text: "Only Super Admins can create Admin accounts", scope: scopeSession},

	ActListUsers:       {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActSearchUsers:     {roles: everybody, text: notEnough, scope: ScopeRead},
	ActSearchEverybody: {roles: tasUp, relations: IsStaffSomewhere, text: notEnough, scope: ScopeRead},
	ActReadUser:        {roles: tasUp, relations: IsSelf | IsClassmate | IsStaffSomewhere, hidden: true, scope: ScopeRead},

	ActReadAvatar:       {roles: everybody, text: notEnough, scope: ScopeRead},
	ActUpdateSelf:       {roles: everybody, text: notEnough},
	ActChangePassword:   {roles: everybody, text: notEnough, scope: scopeSession},
	ActUpdateUser:       {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActUpdateAdminUser:  {roles: superAdmins, text: "Only Super Admins can modify other Admins", scope: scopeSession},
	ActPromoteUser:      {roles: superAdmins, text: "Only Super Admins can promote users to Admin", scope: scopeSession},
	ActSetOtherPassword: {roles: admins, text: notEnough, scope: scopeSession},
	ActMakePasswordLink: {roles: admins, relations: IsTeacherOfPerson, text: notEnough, scope: scopeSession},
	ActDeleteUser:       {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActRemoveArrival:    {roles: admins, relations: IsTeacherOfPerson, text: notEnough, scope: scopeSession},
	ActDeleteAdminUser:  {roles: superAdmins, text: "Only Super Admins can delete Admin accounts", scope: scopeSession},

	ActImpersonate: {roles: superAdmins, text: "The user doesn't have enough privileges", scope: scopeSession},
	ActOwnKeys:     {roles: everybody, text: notEnough, scope: scopeSession},
	ActOwnTokens:   {roles: everybody, text: notEnough, scope: scopeSession},
	ActOwnSessions: {roles: everybody, text: notEnough, scope: scopeSession},

	ActReadIdentities: {roles: everybody, text: notEnough, scope: ScopeRead},
	ActOwnIdentities:  {roles: everybody, text: notEnough, scope: scopeSession},

	ActReadTwoFactor:  {roles: everybody, text: notEnough, scope: ScopeRead, before: true},
	ActOwnTwoFactor:   {roles: everybody, text: notEnough, scope: scopeSession, before: true},
	ActResetTwoFactor: {roles: admins, text: notEnough, scope: scopeSession},

	ActManageTokens:      {roles: admins, text: notEnough, scope: scopeSession},
	ActManageAdminTokens: {roles: superAdmins, text: "Only Super Admins can modify other Admins", scope: scopeSession},

	ActManageSessions:      {roles: admins, text: notEnough, scope: scopeSession},
	ActManageAdminSessions: {roles: superAdmins, text: "Only Super Admins can modify other Admins", scope: scopeSession},

	ActListOrganizations:  {roles: everybody, text: notEnough, scope: ScopeRead},
	ActCreateOrganization: {roles: everybody, text: notEnough},
	ActListProjects:       {roles: everybody, text: notEnough, scope: ScopeRead},
	ActCreateProject:      {roles: admins, relations: IsOrganizationOwner | IsOrganizationAdmin | IsOrganizationMember, text: notEnoughOrg},

	ActReadOrganization:     {roles: admins, relations: orgMembers, text: notEnough, scope: ScopeRead},
	ActUpdateOrganization:   {roles: admins, relations: orgAdmins, text: notEnough},
	ActDeleteOrganization:   {roles: admins, relations: IsOrganizationOwner, text: notEnough},
	ActManageOrganization:   {roles: admins, relations: orgAdmins, text: notEnough},
	ActLeaveOrganization:    {relations: orgMembers, text: notEnough},
	ActTransferOrganization: {roles: admins, relations: IsOrganizationOwner, text: notEnough},

	ActReadProject:        {roles: admins, relations: projectReaders, text: notEnough, scope: ScopeRead},
	ActUpdateProject:      {roles: admins, relations: projectAdmins, text: notEnough},
	ActDeleteProject:      {roles: admins, relations: projectAdmins, text: notEnough},
	ActManageProject:      {roles: admins, relations: projectAdmins, text: notEnough},
	ActChangeProjectOwner: {roles: admins, relations: IsProjectOwner, text: "Only owners can make or change owners"},
	ActLeaveProject:       {relations: projectReaders, text: notEnough},

	ActListCourses:   {roles: everybody, text: notEnough, scope: ScopeRead},
	ActCreateCourse:  {roles: teachersUp, text: notEnough},
	ActReadCourse:    {roles: admins, relations: courseMembers, text: notEnough, scope: ScopeRead},
	ActEnrolStudent:  {roles: admins, relations: courseStaff, text: notEnough},
	ActImportMembers: {roles: admins, relations: courseStaff, text: notEnough, scope: scopeSession},
	ActEnrolStaff:    {roles: admins, relations: IsCourseOwner | IsCourseTeacher, text: "TAs can enroll students only"},
	ActUpdateCourse:  {roles: admins, relations: courseTeachers, text: notEnough},
	ActDeleteCourse:  {roles: admins, relations: IsCourseOwner, text: notEnough, archived: true},
	ActArchiveCourse: {roles: admins, relations: courseTeachers, text: notEnough, archived: true},
	ActCopyCourse:    {roles: admins, relations: courseTeachers, text: notEnough, archived: true},
	ActReadCopy:      {relations: IsCreator, hidden: true, scope: ScopeRead},
	ActCancelCopy:    {relations: IsCreator, hidden: true},

	// A bot stays when its maker goes, and reads what is said in its rooms. So those make
	// and change it who answer for the course. Assistants see which there are.
	ActReadBots:   {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActManageBots: {roles: admins, relations: courseTeachers, text: notEnough},
	ActBotTokens:  {roles: admins, relations: courseTeachers, text: notEnough, scope: scopeSession, archived: true},

	ActChangeMember:  {roles: admins, relations: courseStaff, text: notEnough},
	ActPromoteMember: {roles: admins, relations: courseTeachers, text: "TAs cannot promote to TA/Teacher"},
	ActChangeStaff:   {roles: admins, relations: courseTeachers, text: "TAs cannot modify TAs/Teachers"},
	ActRemoveMember:  {roles: admins, relations: courseStaff, text: notEnough, archived: true},
	ActRemoveStaff:   {roles: admins, relations: courseTeachers, text: "TAs cannot remove TAs/Teachers", archived: true},

	ActTransferCourse: {roles: admins, relations: IsCourseOwner, text: notEnough, archived: true},
	ActReadJoinCode:   {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActSetJoinCode:    {roles: admins, relations: courseStaff, text: notEnough},
	ActInvite:         {roles: admins, relations: courseStaff, text: notEnough},
	ActJoinCourse:     {roles: everybody, text: notEnough},

	ActReadAnnouncements:  {roles: admins, relations: courseMembers, hidden: true, scope: ScopeRead},
	ActWriteAnnouncements: {roles: admins, relations: courseStaff, text: notEnough},

	ActReadFigures:    {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActReadReports:    {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActGenerateReport: {roles: admins, relations: courseStaff, text: notEnough},
	ActUpdateReport:   {roles: admins, relations: courseStaff, text: notEnough},
	ActDeleteReport:   {roles: admins, relations: courseStaff, text: notEnough},

	ActReadMembers:  {roles: admins, relations: courseMembers, text: notEnough, scope: ScopeRead},
	ActListRooms:    {roles: admins, relations: roomMembers, hidden: true, scope: ScopeRead, bots: true},
	ActListAllRooms: {roles: admins, relations: courseMembers, text: notEnough, scope: ScopeRead},
	ActCreateRoom:   {roles: admins, relations: courseStaff, text: notEnough},

	ActReadRoom:      {roles: admins, relations: roomMembers, hidden: true, scope: ScopeRead, bots: true},
	ActUpdateRoom:    {roles: admins, relations: courseStaff, text: notEnough},
	ActDeleteRoom:    {roles: admins, relations: courseStaff, text: notEnough},
	ActAssignToRoom:  {roles: admins, relations: courseStaff, text: notEnough},
	ActReadHistory:   {roles: admins, relations: roomMembers, text: notEnough, scope: ScopeRead, bots: true},
	ActJoinRoom:      {roles: admins, relations: roomMembers, text: notEnough, scope: ScopeRead, bots: true},
	ActPostMessage:   {roles: admins, relations: roomMembers, text: notEnough, bots: true},
	ActCallEveryone:  {roles: admins, relations: courseStaff, text: notEnough},
	ActUploadFile:    {roles: admins, relations: roomMembers, hidden: true, bots: true},
	ActReadFile:      {roles: admins, relations: roomMembers, hidden: true, scope: ScopeRead, bots: true},
	ActReadMentions:  {roles: everybody, text: notEnough, scope: ScopeRead, bots: true},
	ActMarkMentions:  {roles: everybody, text: notEnough, bots: true},
	ActFindMessages:  {roles: everybody, text: notEnough, scope: ScopeRead, bots: true},
	ActListMyRooms:   {roles: everybody, text: notEnough, scope: ScopeRead, bots: true},
	ActMarkRoom:      {roles: admins, relations: roomMembers, hidden: true, bots: true, archived: true},
	ActSeeFailures:   {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActGoOn:          {roles: admins, relations: courseStaff, text: notEnough},
	ActReadDecisions: {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActStopTurn:      {roles: admins, relations: courseStaff | IsCreator, text: "Only staff and the person who asked can stop it", archived: true},
	ActChangeMessage: {relations: IsCreator, text: "Only your own messages can be changed", bots: true},
	ActReact:         {roles: admins, relations: roomMembers, text: notEnough, bots: true},
	ActPinMessage:    {roles: admins, relations: courseStaff, text: notEnough},
	ActOwnBookmarks:  {roles: everybody, text: notEnough},
	ActReadBookmarks: {roles: everybody, text: notEnough, scope: ScopeRead},
	ActHideMessage:   {roles: admins, relations: courseStaff, text: notEnough},
	ActReadHidden:    {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActExportRoom:    {roles: admins, relations: roomMembers, hidden: true, scope: ScopeRead},
	ActReadFaces:     {roles: admins, relations: roomMembers, hidden: true, scope: ScopeRead, bots: true},
	ActAttachAgent:   {roles: admins, relations: courseStaff, text: notEnough},
	ActDetachAgent:   {roles: admins, relations: courseStaff, text: notEnough},

	ActReadRoomAgent: {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActSetRoomAgent:  {roles: admins, relations: courseStaff, text: notEnough},
	ActWakeAgent:     {roles: admins, relations: courseStaff, text: notEnough},

	ActListWorkflows:  {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActReadWorkflow:   {roles: admins, relations: courseStaff, hidden: true, scope: ScopeRead},
	ActReadBuiltin:    {roles: everybody, text: notEnough, scope: ScopeRead},
	ActWriteWorkflows: {roles: admins, relations: courseStaff, text: notEnough},
	ActSetWorkflow:    {roles: admins, relations: courseStaff, text: notEnough},

	ActControlRun:     {roles: admins, relations: courseStaff, text: notEnough},
	ActReadTurns:      {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActReadApprovals:  {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActDecideApproval: {roles: admins, relations: courseStaff, text: notEnough},

	ActReadArtifacts:   {roles: admins, relations: roomMembers, hidden: true, scope: ScopeRead, bots: true},
	ActWriteArtifact:   {roles: admins, relations: roomMembers, hidden: true},
	ActDeleteArtifact:  {roles: admins, relations: roomMembers, hidden: true},
	ActSeeDeleted:      {roles: admins, relations: courseStaff, text: notEnough, scope: ScopeRead},
	ActRestoreArtifact: {roles: admins, relations: courseStaff | IsRemover, hidden: true},
	ActEraseArtifact:   {roles: admins, relations: courseStaff, text: notEnough},

	ActUseProject:  {roles: admins, relations: projectUsers, hidden: true},
	ActListThreads: {roles: everybody, text: notEnough, scope: ScopeRead},
	ActReadThread:  {relations: IsCreator, text: notEnough, scope: ScopeRead},
	ActWriteThread: {relations: IsCreator, text: notEnough},

	ActDecideInThread: {relations: IsCreator, text: notEnough},

	ActListAgents:    {roles: admins, relations: projectReaders, text: notEnough, scope: ScopeRead},
	ActCreateAgent:   {roles: admins, relations: projectWriters, text: notEnough},
	ActReadAgent:     {roles: admins, relations: projectReaders | IsCreator, text: notEnough, scope: ScopeRead},
	ActUseAgent:      {roles: admins, relations: projectUsers | IsCreator, hidden: true},
	ActUpdateAgent:   {roles: admins, relations: projectWriters | IsCreator, text: notEnough},
	ActActivateAgent: {roles: admins, relations: projectWriters | IsCreator, text: notEnough},
	ActDeleteAgent:   {roles: admins, relations: projectWriters | IsCreator, text: notEnough},
	ActReadKeys:      {roles: admins, relations: projectReaders | IsCreator, text: notEnough, scope: ScopeRead},
	ActWriteKeys:     {roles: admins, relations: projectWriters | IsCreator, text: notEnough, scope: scopeSession},

	ActReadUsage:    {roles: admins, relations: IsSelf | courseStaff | projectWriters | IsCreator, text: notEnough, scope: ScopeRead},
	ActReadBudgets:  {roles: admins, relations: IsSelf | courseTeachers | projectWriters | IsCreator, text: notEnough, scope: ScopeRead},
	ActWriteBudgets: {roles: admins, relations: courseTeachers | projectWriters | IsCreator, text: notEnough},

	ActListTemplates:  {roles: everybody, text: notEnough, scope: ScopeRead},
	ActCreateTemplate: {roles: everybody, text: notEnough},
	ActCloneTemplate:  {relations: IsCreator, text: notEnough},
	ActSyncAgent:      {roles: admins, relations: projectWriters | IsCreator, text: notEnough},
	ActReadVersions:   {roles: admins, relations: projectReaders | IsCreator, text: notEnough, scope: ScopeRead},
	ActKeepVersion:    {roles: admins, relations: projectWriters | IsCreator, text: notEnough},
	ActRestoreVersion: {roles: admins, relations: projectWriters | IsCreator, text: notEnough},

	ActListExternal:   {roles: everybody, text: notEnough, scope: ScopeRead},
	ActCreateExternal: {roles: admins, text: notEnough, scope: scopeSession},
	ActTestExternal:   {roles: admins, relations: projectUsers | IsCreator, text: notEnough},
	ActRotateCallback: {roles: admins, relations: projectWriters | IsCreator, text: notEnough, scope: scopeSession},

	ActDesignAgent:       {roles: teachersUp, text: notEnough},
	ActReadSystemAgents:  {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActWriteSystemAgents: {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActReadAgentTypes:    {roles: teachersUp, text: notEnough, scope: ScopeRead},
	ActWriteAgentTypes:   {roles: admins, text: notEnough, scope: ScopeAdmin},

	ActReadSystem: {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActRotateKeys: {roles: superAdmins, text: notEnough, scope: scopeSession},
	ActOperate:    {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActDiagnose:   {roles: superAdmins, text: notEnough, scope: ScopeAdmin},
	ActBackUp:     {roles: superAdmins, text: notEnough, scope: scopeSession},
	ActReadAudit:  {roles: admins, text: notEnough, scope: ScopeAdmin},
	ActBrowse:     {roles: admins, text: "The user doesn't have enough privileges", rejected: true, scope: ScopeAdmin},
}

// Check returns nil if the actor may do the action to the resource. Otherwise it returns
// the error that the person gets. A nil actor may do nothing, and an action without a
// rule is denied.
func Check(actor *Actor, action Action, on Resource) error {
	if actor == nil {
		return errorf(KindUnauthenticated, wording.Unauthenticated, "Not authenticated")
	}
	r, known := rules[action]
	if actor.MustSetUp && !r.before {
		return errSetUpFirst
	}
	if actor.User.IsBot() && !r.bots {
		return denialOfBot(r, on)
	}
	if known && actor.User.IsActive && (on.Relations&r.relations != 0 || slices.Contains(rolesOf[r.roles], actor.User.Role)) {
		if on.Archived && r.scope != ScopeRead && !r.archived {
			return errArchived
		}
		return actor.holds(r.scope)
	}
	return denial(action, on)
}

// denial is the error for an actor who may not do the action.
func denial(action Action, on Resource) error {
	r := rules[action]
	if r.hidden {
		return notFound(on.Noun)
	}
	if r.text == "" {
		r.text = notEnough
	}
	if r.rejected {
		return errorf(KindRejected, wording.Forbidden, "%s", wording.Of(r.text))
	}
	return forbidden(r.text)
}

// denialOfBot is the error for a bot that does what only people do.
func denialOfBot(r rule, on Resource) error {
	if r.hidden {
		return notFound(on.Noun)
	}
	return errorf(KindForbidden, wording.Bot, "A bot cannot do this: it reads and posts in its rooms")
}

// holds checks the scope. It returns an error if the actor's token lacks the scope. It
// also returns one for scopeSession while the actor acts as somebody else: a person's
// passwords, tokens and keys are for that person alone.
func (a *Actor) holds(scope Scope) error {
	if scope == "" {
		scope = ScopeWrite
	}
	switch {
	case scope == scopeSession && a.ImpersonatorID != "":
		return errorf(KindForbidden, wording.Impersonating, "Stop acting as somebody else first")
	case a.Scopes == nil || slices.Contains(a.Scopes, scope):
		return nil
	case scope == scopeSession:
		return errorf(KindForbidden, wording.Scope, "A token cannot do this; sign in instead")
	}
	return errorf(KindForbidden, wording.Scope, "This token lacks the scope %q", scope)
}

// The relation for each role that a link in the database can have.
var (
	courseRelation = map[string]Relation{"teacher": IsCourseTeacher, "ta": IsCourseTA, "student": IsCourseStudent}
	orgRelation    = map[string]Relation{"owner": IsOrganizationOwner, "admin": IsOrganizationAdmin, "member": IsOrganizationMember}
	projRelation   = map[string]Relation{"owner": IsProjectOwner, "admin": IsProjectAdmin, "editor": IsProjectEditor,
		"member": IsProjectMember, "viewer": IsProjectViewer}
)

// roomResource is a room as a resource for Check.
func roomResource(a *store.RoomAccess) Resource {
	rel := courseRelation[a.CourseRole]
	if a.IsOwner {
		rel |= IsCourseOwner
	}
	if a.IsMember {
		rel |= IsRoomMember
	}
	return Resource{Noun: "Room", Relations: rel, Archived: !a.Room.ArchivedAt.IsZero()}
}
