package app

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// The relations of these tests, by the name they have in the table below.
var relationNames = map[string]Relation{
	"course_owner": IsCourseOwner, "course_teacher": IsCourseTeacher, "course_ta": IsCourseTA, "course_student": IsCourseStudent,
	"room_member": IsRoomMember, "org_owner": IsOrganizationOwner, "org_admin": IsOrganizationAdmin, "org_member": IsOrganizationMember,
	"project_owner": IsProjectOwner, "project_admin": IsProjectAdmin, "project_editor": IsProjectEditor,
	"project_member": IsProjectMember, "project_viewer": IsProjectViewer, "creator": IsCreator,
	"remover": IsRemover,
	"self":    IsSelf, "classmate": IsClassmate, "staff_somewhere": IsStaffSomewhere, "teacher_of_person": IsTeacherOfPerson,
}

// declared is who may do what, written down without looking at the rules: the
// global roles and, behind them, the relations that suffice.
var declared = map[Action]struct {
	who    string
	denial string // "" hides the thing
}{
	ActReadSelf:         {"everybody", "Not enough permissions"},
	ActOwnKeys:          {"everybody", "Not enough permissions"},
	ActImpersonate:      {"super_admin", "The user doesn't have enough privileges"},
	ActCreateUser:       {"admin super_admin", "Not enough permissions"},
	ActListUsers:        {"admin super_admin", "Not enough permissions"},
	ActSearchUsers:      {"everybody", "Not enough permissions"},
	ActSearchEverybody:  {"ta teacher admin super_admin staff_somewhere", "Not enough permissions"},
	ActReadUser:         {"ta teacher admin super_admin self classmate staff_somewhere", ""},
	ActReadAvatar:       {"everybody", "Not enough permissions"},
	ActUpdateSelf:       {"everybody", "Not enough permissions"},
	ActChangePassword:   {"everybody", "Not enough permissions"},
	ActUpdateUser:       {"admin super_admin", "Not enough permissions"},
	ActUpdateAdminUser:  {"super_admin", "Only Super Admins can modify other Admins"},
	ActPromoteUser:      {"super_admin", "Only Super Admins can promote users to Admin"},
	ActSetOtherPassword: {"admin super_admin", "Not enough permissions"},
	ActMakePasswordLink: {"admin super_admin teacher_of_person", "Not enough permissions"},
	ActDeleteUser:       {"admin super_admin", "Not enough permissions"},
	ActRemoveArrival:    {"admin super_admin teacher_of_person", "Not enough permissions"},
	ActDeleteAdminUser:  {"super_admin", "Only Super Admins can delete Admin accounts"},
	ActOwnTokens:        {"everybody", "Not enough permissions"},
	ActOwnSessions:      {"everybody", "Not enough permissions"},
	ActReadIdentities:   {"everybody", "Not enough permissions"},
	ActOwnIdentities:    {"everybody", "Not enough permissions"},
	ActReadTwoFactor:    {"everybody", "Not enough permissions"},
	ActOwnTwoFactor:     {"everybody", "Not enough permissions"},
	ActResetTwoFactor:   {"admin super_admin", "Not enough permissions"},
	ActManageTokens:     {"admin super_admin", "Not enough permissions"},

	ActListMyApprovals: {"everybody", "Not enough permissions"},
	ActListMyAgents:    {"everybody", "Not enough permissions"},
	ActReadPreferences: {"everybody", "Not enough permissions"},
	ActSetPreferences:  {"everybody", "Not enough permissions"},

	ActReadSystem:   {"admin super_admin", "Not enough permissions"},
	ActRotateKeys:   {"super_admin", "Not enough permissions"},
	ActOperate:      {"admin super_admin", "Not enough permissions"},
	ActDiagnose:     {"super_admin", "Not enough permissions"},
	ActBackUp:       {"super_admin", "Not enough permissions"},
	ActReadAudit:    {"admin super_admin", "Not enough permissions"},
	ActBrowse:       {"admin super_admin", "400 The user doesn't have enough privileges"},
	ActCreateCourse: {"teacher admin super_admin", "Not enough permissions"},

	ActManageAdminTokens: {"super_admin", "Only Super Admins can modify other Admins"},

	ActManageSessions:      {"admin super_admin", "Not enough permissions"},
	ActManageAdminSessions: {"super_admin", "Only Super Admins can modify other Admins"},
	ActCreateAdminUser:     {"super_admin", "Only Super Admins can create Admin accounts"},
	ActListOrganizations:   {"everybody", "Not enough permissions"},
	ActCreateOrganization:  {"everybody", "Not enough permissions"},
	ActListProjects:        {"everybody", "Not enough permissions"},
	ActCreateProject:       {"admin super_admin org_owner org_admin org_member", "Not enough permissions in organization"},

	ActReadOrganization:     {"admin super_admin org_owner org_admin org_member", "Not enough permissions"},
	ActUpdateOrganization:   {"admin super_admin org_owner org_admin", "Not enough permissions"},
	ActDeleteOrganization:   {"admin super_admin org_owner", "Not enough permissions"},
	ActManageOrganization:   {"admin super_admin org_owner org_admin", "Not enough permissions"},
	ActLeaveOrganization:    {"org_owner org_admin org_member", "Not enough permissions"},
	ActTransferOrganization: {"admin super_admin org_owner", "Not enough permissions"},

	ActReadProject:        {"admin super_admin project_owner project_admin project_editor project_member project_viewer", "Not enough permissions"},
	ActUpdateProject:      {"admin super_admin project_owner project_admin", "Not enough permissions"},
	ActDeleteProject:      {"admin super_admin project_owner project_admin", "Not enough permissions"},
	ActManageProject:      {"admin super_admin project_owner project_admin", "Not enough permissions"},
	ActChangeProjectOwner: {"admin super_admin project_owner", "Only owners can make or change owners"},
	ActLeaveProject:       {"project_owner project_admin project_editor project_member project_viewer", "Not enough permissions"},

	ActListCourses:   {"everybody", "Not enough permissions"},
	ActReadCourse:    {"admin super_admin course_owner course_teacher course_ta course_student", "Not enough permissions"},
	ActReadMembers:   {"admin super_admin course_owner course_teacher course_ta course_student", "Not enough permissions"},
	ActListAllRooms:  {"admin super_admin course_owner course_teacher course_ta course_student", "Not enough permissions"},
	ActEnrolStudent:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActImportMembers: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActEnrolStaff:    {"admin super_admin course_owner course_teacher", "TAs can enroll students only"},
	ActCreateRoom:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActUpdateCourse:  {"admin super_admin course_owner course_teacher", "Not enough permissions"},
	ActDeleteCourse:  {"admin super_admin course_owner", "Not enough permissions"},
	ActChangeMember:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActPromoteMember: {"admin super_admin course_owner course_teacher", "TAs cannot promote to TA/Teacher"},
	ActChangeStaff:   {"admin super_admin course_owner course_teacher", "TAs cannot modify TAs/Teachers"},
	ActRemoveMember:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActRemoveStaff:   {"admin super_admin course_owner course_teacher", "TAs cannot remove TAs/Teachers"},
	ActDeleteRoom:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActCopyCourse:     {"admin super_admin course_owner course_teacher", "Not enough permissions"},
	ActReadCopy:       {"creator", ""},
	ActCancelCopy:     {"creator", ""},
	ActArchiveCourse:  {"admin super_admin course_owner course_teacher", "Not enough permissions"},
	ActTransferCourse: {"admin super_admin course_owner", "Not enough permissions"},
	ActReadJoinCode:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActSetJoinCode:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActInvite:         {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActJoinCourse:     {"everybody", "Not enough permissions"},

	ActChangeMessage: {"creator", "Only your own messages can be changed"},
	ActReact:         {"admin super_admin course_owner course_teacher course_ta course_student room_member", "Not enough permissions"},
	ActPinMessage:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActOwnBookmarks:  {"everybody", "Not enough permissions"},
	ActReadBookmarks: {"everybody", "Not enough permissions"},
	ActHideMessage:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadHidden:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActExportRoom:    {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},

	ActReadAnnouncements:  {"admin super_admin course_owner course_teacher course_ta course_student", ""},
	ActWriteAnnouncements: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActReadFigures:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadReports:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActGenerateReport: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActUpdateReport:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActDeleteReport:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActListRooms:    {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActReadRoom:     {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActReadFaces:    {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActReadHistory:  {"admin super_admin course_owner course_teacher course_ta course_student room_member", "Not enough permissions"},
	ActJoinRoom:     {"admin super_admin course_owner course_teacher course_ta course_student room_member", "Not enough permissions"},
	ActCallEveryone: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActUploadFile:   {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActReadFile:     {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActReadMentions: {"everybody", "Not enough permissions"},
	ActListModels:   {"everybody", "Not enough permissions"},
	ActPreview:      {"everybody", "Not enough permissions"},
	ActMarkMentions: {"everybody", "Not enough permissions"},
	ActFindMessages: {"everybody", "Not enough permissions"},
	ActListMyRooms:  {"everybody", "Not enough permissions"},
	ActMarkRoom:     {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActPostMessage:  {"admin super_admin course_owner course_teacher course_ta course_student room_member", "Not enough permissions"},
	ActUpdateRoom:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActAssignToRoom: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActSeeFailures:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActGoOn:           {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadDecisions:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActStopTurn:       {"admin super_admin course_owner course_teacher course_ta creator", "Only staff and the person who asked can stop it"},
	ActListWorkflows:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadWorkflow:   {"admin super_admin course_owner course_teacher course_ta", ""},
	ActReadBuiltin:    {"everybody", "Not enough permissions"},
	ActWriteWorkflows: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActSetWorkflow:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActControlRun:     {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadTurns:      {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadApprovals:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActDecideApproval: {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActAttachAgent:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActDetachAgent:    {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActReadRoomAgent:  {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActSetRoomAgent:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActWakeAgent:      {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActReadArtifacts:   {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActWriteArtifact:   {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActDeleteArtifact:  {"admin super_admin course_owner course_teacher course_ta course_student room_member", ""},
	ActSeeDeleted:      {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActRestoreArtifact: {"admin super_admin course_owner course_teacher course_ta remover", ""},
	ActEraseArtifact:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},

	ActUseProject:  {"admin super_admin project_owner project_admin project_editor project_member", ""},
	ActListThreads: {"everybody", "Not enough permissions"},
	ActReadThread:  {"creator", "Not enough permissions"},
	ActWriteThread: {"creator", "Not enough permissions"},

	ActDecideInThread: {"creator", "Not enough permissions"},

	ActListAgents:    {"admin super_admin project_owner project_admin project_editor project_member project_viewer", "Not enough permissions"},
	ActReadAgent:     {"admin super_admin project_owner project_admin project_editor project_member project_viewer creator", "Not enough permissions"},
	ActReadKeys:      {"admin super_admin project_owner project_admin project_editor project_member project_viewer creator", "Not enough permissions"},
	ActUseAgent:      {"admin super_admin project_owner project_admin project_editor project_member creator", ""},
	ActCreateAgent:   {"admin super_admin project_owner project_admin project_editor", "Not enough permissions"},
	ActUpdateAgent:   {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},
	ActActivateAgent: {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},
	ActDeleteAgent:   {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},
	ActWriteKeys:     {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},

	ActReadBots:   {"admin super_admin course_owner course_teacher course_ta", "Not enough permissions"},
	ActManageBots: {"admin super_admin course_owner course_teacher", "Not enough permissions"},
	ActBotTokens:  {"admin super_admin course_owner course_teacher", "Not enough permissions"},

	ActReadUsage: {"admin super_admin self course_owner course_teacher course_ta project_owner project_admin project_editor creator",
		"Not enough permissions"},
	ActReadBudgets: {"admin super_admin self course_owner course_teacher project_owner project_admin project_editor creator",
		"Not enough permissions"},
	ActWriteBudgets: {"admin super_admin course_owner course_teacher project_owner project_admin project_editor creator",
		"Not enough permissions"},

	ActListTemplates:  {"everybody", "Not enough permissions"},
	ActCreateTemplate: {"everybody", "Not enough permissions"},
	ActCloneTemplate:  {"creator", "Not enough permissions"},
	ActSyncAgent:      {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},
	ActReadVersions:   {"admin super_admin project_owner project_admin project_editor project_member project_viewer creator", "Not enough permissions"},
	ActKeepVersion:    {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},
	ActRestoreVersion: {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},

	ActListExternal:   {"everybody", "Not enough permissions"},
	ActCreateExternal: {"admin super_admin", "Not enough permissions"},
	ActTestExternal:   {"admin super_admin project_owner project_admin project_editor project_member creator", "Not enough permissions"},
	ActRotateCallback: {"admin super_admin project_owner project_admin project_editor creator", "Not enough permissions"},

	ActDesignAgent:       {"teacher admin super_admin", "Not enough permissions"},
	ActReadSystemAgents:  {"admin super_admin", "Not enough permissions"},
	ActWriteSystemAgents: {"admin super_admin", "Not enough permissions"},
	ActReadAgentTypes:    {"teacher admin super_admin", "Not enough permissions"},
	ActWriteAgentTypes:   {"admin super_admin", "Not enough permissions"},
}

// botsMay is what bots may do, where their places let them; nothing else, whatever they are
// related to.
var botsMay = []Action{ActReadSelf, ActListRooms, ActReadRoom, ActReadHistory, ActJoinRoom, ActPostMessage, ActChangeMessage, ActReadFaces,
	ActReadArtifacts, ActReadMentions, ActMarkMentions, ActReact, ActFindMessages, ActListMyRooms, ActMarkRoom, ActUploadFile, ActReadFile}

func TestAccess(t *testing.T) {
	t.Parallel()
	for action := range rules {
		if _, ok := declared[action]; !ok {
			t.Errorf("%s has a rule, but nobody declared who may", action)
		}
	}
	for action, d := range declared {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			if _, ok := rules[action]; !ok {
				t.Fatal("no rule")
			}
			for _, role := range rolesOf[everybody] {
				for _, relation := range append(slices.Sorted(maps.Keys(relationNames)), "") {
					who := strings.Fields(d.who)
					want := d.who == "everybody" || slices.Contains(who, role) || slices.Contains(who, relation)
					actor := &Actor{User: store.User{Role: role, IsActive: true}}
					err := Check(actor, action, Resource{Noun: "Thing", Relations: relationNames[relation]})
					if got := err == nil; got != want {
						t.Errorf("%s, %s: got allowed %v, want %v", role, relation, got, want)
					}
					checkDenial(t, err, d.denial)
				}
			}
			t.Run("Bot", func(t *testing.T) {
				bot := &Actor{User: store.User{Role: RoleGuest, Kind: store.KindBot, IsActive: true}}
				err := Check(bot, action, Resource{Noun: "Thing", Relations: ^Relation(0)})
				if got, want := err == nil, slices.Contains(botsMay, action); got != want {
					t.Errorf("got allowed %v, want %v", got, want)
				}
			})
			t.Run("Inactive", func(t *testing.T) {
				err := Check(&Actor{User: store.User{Role: RoleSuperAdmin}}, action, Resource{Noun: "Thing", Relations: ^Relation(0)})
				if err == nil {
					t.Error("allowed")
				}
				checkDenial(t, err, d.denial)
			})
			t.Run("Nobody", func(t *testing.T) {
				if got := KindOf(Check(nil, action, Resource{Relations: ^Relation(0)})); got != KindUnauthenticated {
					t.Errorf("got %s, want unauthenticated", got)
				}
			})
		})
	}
}

func checkDenial(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil {
		return
	}
	kind := KindForbidden
	if text == "" {
		kind, text = KindNotFound, "Thing not found"
	}
	if rest, rejected := strings.CutPrefix(text, "400 "); rejected {
		kind, text = KindRejected, rest
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || e.Message != text {
		t.Errorf("denial: got %v, want %s %q", err, kind, text)
	}
}

func TestUnknownIsDenied(t *testing.T) {
	t.Parallel()
	super := &Actor{User: store.User{Role: RoleSuperAdmin, IsActive: true}}
	t.Run("Action", func(t *testing.T) {
		t.Parallel()
		if got := KindOf(Check(super, "room.burn", Resource{Relations: ^Relation(0)})); got != KindForbidden {
			t.Errorf("got %s, want forbidden", got)
		}
	})
	t.Run("Role", func(t *testing.T) {
		t.Parallel()
		for _, role := range []string{"", "root", "Super_Admin"} {
			if Check(&Actor{User: store.User{Role: role, IsActive: true}}, ActReadSelf, Resource{}) == nil {
				t.Errorf("role %q is allowed", role)
			}
		}
	})
	t.Run("Relation", func(t *testing.T) {
		t.Parallel()
		res := roomResource(&store.RoomAccess{CourseRole: "owner"})
		if res.Relations != 0 {
			t.Errorf("an unknown link role: got relations %b, want none", res.Relations)
		}
	})
}
