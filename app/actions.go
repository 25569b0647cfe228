package app

// Action is one thing that an actor may or may not do.
type Action string

// Every action. Each has an entry in rules.
const (
	ActReadSelf Action = "self.read"

	ActCreateUser      Action = "user.create"
	ActCreateAdminUser Action = "user.create_admin"

	ActListUsers        Action = "user.list"
	ActSearchUsers      Action = "user.search"
	ActSearchEverybody  Action = "user.search_everybody"
	ActReadUser         Action = "user.read"
	ActReadAvatar       Action = "user.avatar"
	ActUpdateSelf       Action = "self.update"
	ActChangePassword   Action = "self.password"
	ActUpdateUser       Action = "user.update"
	ActUpdateAdminUser  Action = "user.update_admin"
	ActPromoteUser      Action = "user.promote"
	ActSetOtherPassword Action = "user.password"
	ActMakePasswordLink Action = "user.password_link"
	ActDeleteUser       Action = "user.delete"
	ActDeleteAdminUser  Action = "user.delete_admin"

	ActImpersonate Action = "user.impersonate"
	ActOwnKeys     Action = "self.keys"
	ActOwnTokens   Action = "self.tokens"
	ActOwnSessions Action = "self.sessions"

	ActManageTokens      Action = "user.tokens"
	ActManageAdminTokens Action = "user.tokens_of_admin"

	ActListOrganizations  Action = "organization.list"
	ActCreateOrganization Action = "organization.create"

	ActListProjects  Action = "project.list"
	ActCreateProject Action = "project.create"

	ActReadOrganization     Action = "organization.read"
	ActUpdateOrganization   Action = "organization.update"
	ActDeleteOrganization   Action = "organization.delete"
	ActManageOrganization   Action = "organization.members"
	ActLeaveOrganization    Action = "organization.leave"
	ActTransferOrganization Action = "organization.transfer"

	ActReadProject        Action = "project.read"
	ActUpdateProject      Action = "project.update"
	ActDeleteProject      Action = "project.delete"
	ActManageProject      Action = "project.members"
	ActChangeProjectOwner Action = "project.change_owner"
	ActLeaveProject       Action = "project.leave"

	ActListCourses   Action = "course.list"
	ActCreateCourse  Action = "course.create"
	ActReadCourse    Action = "course.read"
	ActEnrolStudent  Action = "course.enrol_student"
	ActEnrolStaff    Action = "course.enrol_staff"
	ActImportMembers Action = "course.import"
	ActReadMembers   Action = "course.members"

	ActUpdateCourse  Action = "course.update"
	ActDeleteCourse  Action = "course.delete"
	ActChangeMember  Action = "course.change_member"
	ActPromoteMember Action = "course.promote_member"
	ActChangeStaff   Action = "course.change_staff"
	ActRemoveMember  Action = "course.remove_member"
	ActRemoveStaff   Action = "course.remove_staff"

	ActTransferCourse Action = "course.transfer"
	ActReadJoinCode   Action = "course.read_join_code"
	ActSetJoinCode    Action = "course.set_join_code"
	ActInvite         Action = "course.invite"
	ActJoinCourse     Action = "course.join"

	ActReadAnnouncements  Action = "announcement.read"
	ActWriteAnnouncements Action = "announcement.write"
	ActReadReports        Action = "report.read"
	ActGenerateReport     Action = "report.generate"
	ActUpdateReport       Action = "report.update"
	ActDeleteReport       Action = "report.delete"

	ActListRooms     Action = "course.rooms"
	ActListAllRooms  Action = "course.rooms_all"
	ActCreateRoom    Action = "room.create"
	ActReadRoom      Action = "room.read"
	ActUpdateRoom    Action = "room.update"
	ActDeleteRoom    Action = "room.delete"
	ActAssignToRoom  Action = "room.assign"
	ActReadHistory   Action = "room.history"
	ActJoinRoom      Action = "room.join"
	ActPostMessage   Action = "room.post"
	ActChangeMessage Action = "message.change"
	ActHideMessage   Action = "message.hide"
	ActReadHidden    Action = "message.read_hidden"
	ActExportRoom    Action = "room.export"
	ActSeeFailures   Action = "room.failures"
	ActStopTurn      Action = "turn.stop"
	ActGoOn          Action = "room.go_on"

	ActReadDecisions Action = "room.decisions"
	ActReadFaces     Action = "room.agents"
	ActAttachAgent   Action = "room.attach_agent"
	ActDetachAgent   Action = "room.detach_agent"

	ActReadRoomAgent Action = "room.read_agent"
	ActSetRoomAgent  Action = "room.set_agent"
	ActWakeAgent     Action = "room.wake_agent"

	ActListWorkflows  Action = "workflow.list"
	ActReadWorkflow   Action = "workflow.read"
	ActReadBuiltin    Action = "workflow.read_builtin"
	ActWriteWorkflows Action = "workflow.write"
	ActSetWorkflow    Action = "room.set_workflow"

	ActReadTurns      Action = "room.turns"
	ActControlRun     Action = "run.control"
	ActReadApprovals  Action = "room.approvals"
	ActDecideApproval Action = "room.decide_approval"

	ActReadArtifacts   Action = "artifact.read"
	ActWriteArtifact   Action = "artifact.write"
	ActDeleteArtifact  Action = "artifact.delete"
	ActSeeDeleted      Action = "artifact.list_deleted"
	ActRestoreArtifact Action = "artifact.restore"
	ActEraseArtifact   Action = "artifact.erase"

	ActUseProject  Action = "project.use"
	ActListThreads Action = "thread.list"
	ActReadThread  Action = "thread.read"
	ActWriteThread Action = "thread.write"

	ActDecideInThread Action = "thread.decide_approval"

	ActListAgents    Action = "agent.list"
	ActCreateAgent   Action = "agent.create"
	ActReadAgent     Action = "agent.read"
	ActUseAgent      Action = "agent.use"
	ActUpdateAgent   Action = "agent.update"
	ActActivateAgent Action = "agent.activate"
	ActDeleteAgent   Action = "agent.delete"
	ActReadKeys      Action = "agent.read_keys"
	ActWriteKeys     Action = "agent.write_keys"

	ActReadUsage    Action = "usage.read"
	ActReadBudgets  Action = "budget.list"
	ActWriteBudgets Action = "budget.update"

	ActListTemplates  Action = "agent.list_templates"
	ActCreateTemplate Action = "agent.create_template"
	ActCloneTemplate  Action = "agent.clone"
	ActSyncAgent      Action = "agent.sync"
	ActReadVersions   Action = "agent.read_versions"
	ActKeepVersion    Action = "agent.keep_version"
	ActRestoreVersion Action = "agent.restore"

	ActListExternal   Action = "agent.list_external"
	ActCreateExternal Action = "agent.create_external"
	ActTestExternal   Action = "agent.test_external"
	ActRotateCallback Action = "agent.rotate_callback"

	ActDesignAgent       Action = "agent.design"
	ActReadSystemAgents  Action = "agent.read_system"
	ActWriteSystemAgents Action = "agent.write_system"
	ActReadAgentTypes    Action = "agent_type.read"
	ActWriteAgentTypes   Action = "agent_type.write"

	ActOperate   Action = "program.operate"
	ActReadAudit Action = "audit.read"
	ActBrowse    Action = "program.browse"
)
