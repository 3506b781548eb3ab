//! The only unsafe code of the tests: a VFS of SQLite that asks `disk` before, and tells it after,
//! whatever is done to a watched file, and leaves every other file to the VFS of the system.
//!
//! Why this is sound:
//!
//! - The VFS registered here is a copy of the system's own, with another name, `xOpen` and `xDelete`.
//!   It is never freed nor changed after it is registered, as SQLite wants it.
//! - The system's `xOpen` is called with the system's own VFS, and makes of the memory of `file`
//!   (`szOsFile` bytes, the number is copied) a file of its own. Only the pointer to its methods is
//!   then changed, to a copy of the very methods that it had, with four of them replaced. Whatever
//!   is not replaced finds the file that it made.
//! - A replaced method calls the one that it replaces, with the arguments that SQLite gave it, or not
//!   at all. The bytes of a write are read while SQLite lends them, `amount` of them.
//! - No panic crosses into C: what is called from here holds a mutex whose poison is ignored, and
//!   neither unwraps nor indexes.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use rusqlite::ffi;

use super::{Did, Wish};

/// The address of the system's VFS, which is never freed.
static SYSTEM: OnceLock<usize> = OnceLock::new();

/// Addresses of the methods that files of the system have (logs have others than databases), and of
/// the copy that was made of each. Neither is ever freed.
static COPIES: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// Of each watched file that is open, by the address that SQLite knows it by: its path, and the
/// address of the methods that it had.
static OPEN: Mutex<BTreeMap<usize, (PathBuf, usize)>> = Mutex::new(BTreeMap::new());

/// Makes it the VFS of every connection that is opened from here on.
pub(super) fn install() {
    SYSTEM.get_or_init(|| {
        // SAFETY: the library is initialised by `sqlite3_vfs_find`, and the default VFS lives as long.
        unsafe {
            let system = ffi::sqlite3_vfs_find(std::ptr::null());
            assert!(!system.is_null(), "SQLite has a VFS");
            let own = Box::leak(Box::new(std::ptr::read(system)));
            own.zName = c"watched".as_ptr();
            own.pNext = std::ptr::null_mut();
            own.xOpen = Some(open);
            own.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(own, 1), ffi::SQLITE_OK);
            system as usize
        }
    });
}

fn system() -> *mut ffi::sqlite3_vfs {
    SYSTEM.get().map_or(std::ptr::null_mut(), |address| *address as *mut ffi::sqlite3_vfs)
}

/// A copy of these methods that asks and tells.
///
/// # Safety
///
/// They are those of a file that the system's VFS has just opened.
unsafe fn copy_of(methods: *const ffi::sqlite3_io_methods) -> *const ffi::sqlite3_io_methods {
    let mut copies = COPIES.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = copies.entry(methods as usize).or_insert_with(|| {
        // SAFETY: see above; the system's methods are static.
        let mut copy = unsafe { std::ptr::read(methods) };
        // Without the methods of version 3, nothing is read or written through a mapping.
        copy.iVersion = copy.iVersion.min(2);
        copy.xClose = Some(close);
        copy.xWrite = Some(write);
        copy.xTruncate = Some(truncate);
        copy.xSync = Some(sync);
        Box::leak(Box::new(copy)) as *const _ as usize
    });
    *copy as *const ffi::sqlite3_io_methods
}

/// Path and former methods of a file that `open` has put into [`OPEN`], as every file has whose
/// methods were replaced.
fn known(file: *mut ffi::sqlite3_file) -> (PathBuf, *const ffi::sqlite3_io_methods) {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (path, methods) = open.get(&(file as usize)).cloned().unwrap_or_default();
    (path, methods as *const ffi::sqlite3_io_methods)
}

/// # Safety
///
/// `name` is NULL or a string that ends with a zero, as SQLite gives it.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: see above.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(Path::new(OsStr::from_bytes(bytes)).to_owned())
}

unsafe extern "C" fn open(
    _own: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives what `xOpen` is promised, and it is passed on as it is. A file without
    // methods is one that was not opened.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let path = path_of(name).filter(|path| super::is_watched(path));
        let mut real = || match (*system()).xOpen {
            Some(open) => open(system(), name, file, flags, out),
            None => ffi::SQLITE_CANTOPEN,
        };
        let Some(path) = path else { return real() };
        let code = super::act(&path, Wish::Open, &mut real, || Did::Open);
        if code == ffi::SQLITE_OK && !(*file).pMethods.is_null() {
            let methods = (*file).pMethods;
            (*file).pMethods = copy_of(methods);
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(file as usize, (path, methods as usize));
        }
        code
    }
}

unsafe extern "C" fn delete(
    _own: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: as in `open`.
    unsafe {
        let mut real = || match (*system()).xDelete {
            Some(delete) => delete(system(), name, sync_directory),
            None => ffi::SQLITE_IOERR,
        };
        match path_of(name).filter(|path| super::is_watched(path)) {
            Some(path) => {
                let did = || Did::Delete { durable: sync_directory != 0 };
                super::act(&path, Wish::Write, &mut real, did)
            }
            None => real(),
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let (_, methods) = known(file);
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&(file as usize));
    // SAFETY: the file was made by the system's `xOpen`, whose methods these are.
    unsafe {
        (*file).pMethods = methods;
        (*methods).xClose.map_or(ffi::SQLITE_OK, |close| close(file))
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let (path, methods) = known(file);
    // SAFETY: as in `close`.
    let mut real = || unsafe {
        (*methods).xWrite.map_or(ffi::SQLITE_IOERR, |write| write(file, from, amount, offset))
    };
    let did = || {
        let length = usize::try_from(amount).unwrap_or(0);
        // SAFETY: SQLite lends `amount` bytes at `from` for the time of this call.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) };
        Did::Write { offset: offset.unsigned_abs(), bytes: bytes.to_vec() }
    };
    super::act(&path, Wish::Write, &mut real, did)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let (path, methods) = known(file);
    // SAFETY: as in `close`.
    let mut real = || unsafe {
        (*methods).xTruncate.map_or(ffi::SQLITE_IOERR, |truncate| truncate(file, size))
    };
    super::act(&path, Wish::Write, &mut real, || Did::Truncate(size.unsigned_abs()))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let (path, methods) = known(file);
    // SAFETY: as in `close`.
    let mut real =
        || unsafe { (*methods).xSync.map_or(ffi::SQLITE_IOERR, |sync| sync(file, flags)) };
    super::act(&path, Wish::Sync, &mut real, || Did::Sync)
}
