//! What the control groups of the process allow, of either version.

use std::fs;
use std::path::{Component, Path};

/// The least memory limit of the groups that the process is in, in bytes; `root` is where the file system begins.
/// `None` if there is none, or nothing can be read.
pub(crate) fn limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = [
        ("sys/fs/cgroup", "memory.max", "0::"),
        ("sys/fs/cgroup/unified", "memory.max", "0::"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", ""),
    ];
    let of_mount = |(mount, file, version_two): (&str, &str, &str)| {
        let group = groups.lines().find_map(|line| match version_two {
            "" => of_memory(line),
            prefix => line.strip_prefix(prefix),
        });
        least(&root.join(mount), group.unwrap_or("/"), file)
    };
    mounts.into_iter().filter_map(of_mount).min()
}

/// The group of a line of version 1, `5:cpu,memory:/a/b`, if it is that of memory.
fn of_memory(line: &str) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    controllers.split(',').any(|controller| controller == "memory").then_some(group)
}

/// The least limit of a group and those above it. In a container the groups above are often out of sight, and its own
/// stands at the top.
fn least(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let read = |folder: &Path| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let mut folder = mount.to_path_buf();
    let mut found = read(&folder);
    for part in Path::new(group).components() {
        match part {
            Component::Normal(name) => folder.push(name),
            Component::RootDir | Component::CurDir => continue,
            Component::ParentDir | Component::Prefix(_) => break,
        }
        found = [found, read(&folder)].into_iter().flatten().min();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_either_version_counts() {
        let unlimited = "9223372036854771712\n";
        for (files, expected) in [
            (vec![], None),
            (vec![("sys/fs/cgroup/memory.max", "max\n")], None),
            (vec![("sys/fs/cgroup/memory.max", "1000\n")], Some(1000)),
            (vec![("sys/fs/cgroup/memory/memory.limit_in_bytes", "471859200\n")], Some(471_859_200)),
            (
                vec![
                    ("proc/self/cgroup", "0::/pod/box\n"),
                    ("sys/fs/cgroup/pod/memory.max", "3000\n"),
                    ("sys/fs/cgroup/pod/box/memory.max", "max\n"),
                ],
                Some(3000),
            ),
            (
                vec![
                    ("proc/self/cgroup", "12:cpu,cpuacct:/x\n5:hugetlb,memory:/docker/a\n1:name=systemd:/y\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", unlimited),
                    ("sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "2000\n"),
                    ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1\n"),
                ],
                Some(2000),
            ),
            (
                vec![
                    ("proc/self/cgroup", "5:memory:/a\n0::/../b\n"),
                    ("sys/fs/cgroup/unified/memory.max", "7000\n"),
                    ("sys/fs/cgroup/unified/b/memory.max", "1\n"),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9000\n"),
                ],
                Some(7000),
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in &files {
                let file = root.path().join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            assert_eq!(limit(root.path()), expected, "{files:?}");
        }
    }
}
